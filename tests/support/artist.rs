//! A client that does by hand what a test says, with pictures in which no pixel is like its neighbour.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::SealFlags;
use selkie_protocols::ledger::client::selkie_buffer_record_v1::{Event, Path as Taken, SelkieBufferRecordV1};
use selkie_protocols::ledger::client::selkie_ledger_manager_v1::SelkieLedgerManagerV1;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation_feedback::Event as Told;
use selkie_protocols::upstream::wp::viewporter::client::wp_viewport::WpViewport;
use selkie_protocols::upstream::wp::viewporter::client::wp_viewporter::WpViewporter;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::protocol::wl_subsurface::WlSubsurface;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Proxy, WEnum};

use super::raw::{Events, Raw, Window, memfd, write_pixels};
use super::{eventually, report};

/// The size of its pool, in bytes.
pub const ROOM: u64 = 8 << 20;

/// The client.
pub struct Artist {
    pub raw: Raw,
    pub shm: WlShm,
    pub compositor: WlCompositor,
    pub memory: OwnedFd,
    pub pool: WlShmPool,
    subcompositor: WlSubcompositor,
    viewporter: WpViewporter,
    presentation: Option<WpPresentation>,
    ledger: Option<SelkieLedgerManagerV1>,
    /// Bytes of the pool that buffers lie in.
    used: u64,
}

impl Artist {
    /// A client whose memory cannot shrink, and whose seals are closed.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn connect(socket: &Path) -> Self {
        Self::with(socket, memfd(ROOM, Some(SealFlags::SHRINK | SealFlags::SEAL)))
    }

    /// A client whose pool is this memory, of [`ROOM`] bytes.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn with(socket: &Path, memory: OwnedFd) -> Self {
        let mut raw = Raw::connect(socket);
        let shm: WlShm = raw.bind(1);
        let pool = raw.pool(&shm, memory.as_fd(), ROOM as i32);
        let (compositor, subcompositor) = (raw.bind(7), raw.bind(1));
        let (viewporter, presentation, ledger) = (raw.bind(1), raw.try_bind(1), raw.try_bind(1));
        Self { raw, shm, compositor, memory, pool, subcompositor, viewporter, presentation, ledger, used: 0 }
    }

    /// A buffer with a picture of its own.
    pub fn buffer(&mut self, (width, height): (i32, i32), format: Format, seed: u32) -> WlBuffer {
        write_pixels(&self.memory, self.used, &noise(width, height, format == Format::Argb8888, seed));
        self.unpainted((width, height), format)
    }

    /// A buffer that shows what is in the memory.
    pub fn unpainted(&mut self, (width, height): (i32, i32), format: Format) -> WlBuffer {
        let (qh, offset) = (self.raw.qh(), self.used as i32);
        self.used += (width * height * 4) as u64;
        let buffer = self.pool.create_buffer(offset, width, height, width * 4, format, &qh, ());
        self.raw.note(buffer)
    }

    /// Bytes of the pool that buffers lie in so far.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// A window that is configured and as large as `size`, whatever its subsurfaces do.
    ///
    /// # Panics
    /// If the server does not offer windows.
    pub fn window(&mut self, (width, height): (i32, i32)) -> Window {
        let window = self.raw.window_by(&self.compositor).unwrap();
        window.xdg_surface.set_window_geometry(0, 0, width, height);
        window
    }

    /// A subsurface at a place in its parent.
    pub fn child(&mut self, parent: &WlSurface, (x, y): (i32, i32)) -> (WlSurface, WlSubsurface) {
        let qh = self.raw.qh();
        let surface = self.compositor.create_surface(&qh, ());
        let surface = self.raw.note(surface);
        let role = self.subcompositor.get_subsurface(&surface, parent, &qh, ());
        role.set_position(x, y);
        (surface, role)
    }

    /// The viewport of a surface.
    pub fn viewport(&mut self, surface: &WlSurface) -> WpViewport {
        self.viewporter.get_viewport(surface, &self.raw.qh(), ())
    }

    /// Commits a buffer, all of it being new.
    pub fn commit(&self, surface: &WlSurface, buffer: &WlBuffer) {
        surface.attach(Some(buffer), 0, 0);
        surface.damage(0, 0, i32::MAX, i32::MAX);
        surface.commit();
    }

    /// Commits a buffer and waits until it was shown: until that was told, where the server tells it, since a frame callback
    /// may come a frame early.
    ///
    /// # Panics
    /// If it is not.
    pub fn show(&mut self, surface: &WlSurface, buffer: &WlBuffer) {
        let qh = self.raw.qh();
        let feedback = self.presentation.as_ref().map(|p| p.feedback(surface, &qh, ()).id().protocol_id());
        let from = self.raw.events.log.len();
        self.raw.present(surface, buffer).unwrap();
        if let Some(feedback) = feedback {
            let presented = |events: &Events| {
                events.log[from..].iter().any(|e| {
                    e.object == feedback && matches!(e.event.downcast_ref(), Some(Told::Presented { .. }))
                })
            };
            self.raw.wait("the frame to be presented", presented).unwrap();
        }
    }

    /// Shows a buffer again and again until it takes a path: where selkie has to add a seal first, it does not wait for that
    /// for long.
    ///
    /// # Panics
    /// If it never does.
    pub fn show_by(&mut self, surface: &WlSurface, buffer: &WlBuffer, path: report::Path) {
        eventually("the path to be taken", || {
            self.show(surface, buffer);
            let taken = self.path(buffer).map(|(taken, _)| taken);
            if taken == Some(path) { Ok(()) } else { Err(format!("it is {taken:?}")) }
        });
    }

    /// How the last frame of a buffer got to the screen, and how much of it was copied so far; `None` if it was not shown.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn path(&mut self, buffer: &WlBuffer) -> Option<(report::Path, u64)> {
        let ledger = self.ledger.as_ref().expect("it is a selkie");
        let record: SelkieBufferRecordV1 = ledger.get_record(buffer, &self.raw.qh(), ());
        self.raw.roundtrip().unwrap();
        let (mut path, mut copied) = (None, 0);
        for event in self.raw.of(&record) {
            match event {
                Event::Path { path: WEnum::Value(told) } => {
                    path = match told {
                        Taken::Forwarded => Some(report::Path::Forwarded),
                        Taken::Composed => Some(report::Path::Composed),
                        Taken::None => None,
                        other => panic!("an unknown path {other:?}"),
                    }
                }
                Event::BytesCopied { hi, lo } => copied = u64::from(*hi) << 32 | u64::from(*lo),
                _ => {}
            }
        }
        record.destroy();
        path.map(|path| (path, copied))
    }
}

/// A picture in which no pixel is like its neighbour, premultiplied where it is translucent.
pub fn noise(width: i32, height: i32, translucent: bool, seed: u32) -> Vec<u32> {
    let pixel = |x: i32, y: i32| {
        let mut n = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
        n = (n ^ seed.wrapping_mul(0xc2b2_ae3d)).wrapping_mul(0x2c1b_3c6d);
        n = (n ^ n >> 15).wrapping_mul(0x297a_2d39);
        n ^= n >> 16;
        let alpha = if translucent { n >> 24 } else { 255 };
        let channel = |shift: u32| ((n >> shift & 0xff) * alpha / 255) << shift;
        alpha << 24 | channel(16) | channel(8) | channel(0)
    };
    (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect()
}
