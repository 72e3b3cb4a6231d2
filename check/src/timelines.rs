//! Explicit synchronisation: timelines that a compositor knows, and a window whose commits come with points on them.

use std::os::fd::AsFd;
use std::time::Instant;

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_manager_v1::WpLinuxDrmSyncobjManagerV1;
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::{
    Error, WpLinuxDrmSyncobjSurfaceV1,
};
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_timeline_v1::WpLinuxDrmSyncobjTimelineV1;
use shm_core::timeline::{Device, Timeline};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::WlCallback;

use crate::case::Stop;
use crate::client::Client;
use crate::dmabufs::Dmabufs;
use crate::expect::Refusal;
use crate::memory::cannot;
use crate::session::Session;
use crate::window::Window;

/// A timeline that the compositor knows, too.
#[derive(Debug)]
pub struct Shared {
    /// Ours.
    pub timeline: Timeline,
    /// The compositor's.
    pub object: WpLinuxDrmSyncobjTimelineV1,
}

/// A client with a window whose commits are explicitly synchronised.
pub struct Explicit {
    /// The client, which has dma-bufs.
    pub dmabufs: Dmabufs,
    /// The global.
    pub manager: WpLinuxDrmSyncobjManagerV1,
    /// Its window, which has shown nothing yet.
    pub window: Window,
    /// Where the points are set.
    pub surface: WpLinuxDrmSyncobjSurfaceV1,
    /// For acquire points.
    pub acquire: Shared,
    /// For release points.
    pub release: Shared,
}

/// An error of the surface's extension.
pub fn refusal(error: Error) -> Refusal {
    Refusal::new(&["wp_linux_drm_syncobj_surface_v1"], error)
}

impl Session {
    /// A client with `wp_linux_drm_syncobj_manager_v1`.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if that is not offered.
    pub fn syncobjs(&self) -> Result<(Client, WpLinuxDrmSyncobjManagerV1), Stop> {
        let mut client = self.connect()?;
        let manager = client.bind(1)?;
        Ok((client, manager))
    }

    /// A client with a window whose commits are explicitly synchronised.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the compositor does not offer that, or the kernel has no timelines.
    pub fn explicit(&self) -> Result<Explicit, Stop> {
        let (mut client, manager) = self.syncobjs()?;
        let global = client.bind_from(3, 5)?;
        let device = Device::open().map_err(cannot("make a timeline"))?;
        let mut shared = || -> Result<Shared, Stop> {
            let timeline = Timeline::new(&device).map_err(cannot("make a timeline"))?;
            let fd = timeline.fd().map_err(cannot("share a timeline"))?;
            let object = client.note(manager.import_timeline(fd.as_fd(), &client.qh(), ()));
            Ok(Shared { timeline, object })
        };
        let (acquire, release) = (shared()?, shared()?);
        let window = client.window()?;
        let surface = client.note(manager.get_surface(&window.surface, &client.qh(), ()));
        client.roundtrip()?;
        let dmabufs = Dmabufs { client, global };
        Ok(Explicit { dmabufs, manager, window, surface, acquire, release })
    }
}

impl Explicit {
    /// Sets the acquire point of the next commit.
    pub fn acquire_at(&self, point: u64) {
        self.surface.set_acquire_point(&self.acquire.object, (point >> 32) as u32, point as u32);
    }

    /// Sets the release point of the next commit.
    pub fn release_at(&self, point: u64) {
        self.surface.set_release_point(&self.release.object, (point >> 32) as u32, point as u32);
    }

    /// Commits a buffer with this point of both timelines, and gives the frame callback.
    pub fn submit(&mut self, buffer: &WlBuffer, point: u64) -> WlCallback {
        self.acquire_at(point);
        self.release_at(point);
        self.dmabufs.client.submit(&self.window.surface, buffer)
    }

    /// Says that the picture is drawn which was committed with this acquire point.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the kernel does not do it.
    pub fn draw_until(&self, point: u64) -> Result<(), Stop> {
        self.acquire.timeline.signal(point).map_err(cannot("signal a timeline"))
    }

    /// [`Explicit::submit`] of a picture that is drawn already; waits for the frame callback.
    ///
    /// # Errors
    ///
    /// As [`Client::wait_for`].
    pub fn present(&mut self, buffer: &WlBuffer, point: u64) -> Result<(), Stop> {
        self.draw_until(point)?;
        let frame = self.submit(buffer, point);
        self.dmabufs.client.wait_for(&frame, 1)
    }

    /// Presents a buffer of one colour until it is to be seen on the output, as far as anybody can look (see
    /// [`Client::must_see`]); gives the last point.
    ///
    /// # Errors
    ///
    /// As [`Client::must_see`].
    pub fn must_see(&mut self, buffer: &WlBuffer, colour: u32) -> Result<u64, Stop> {
        let deadline = Instant::now() + self.dmabufs.client.patience();
        let mut point = 0;
        loop {
            point += 1;
            self.present(buffer, point)?;
            match self.dmabufs.client.look()? {
                Some(picture) if picture.count(colour) == 0 => {}
                _ => return Ok(point),
            }
            if Instant::now() > deadline {
                return Err(Stop::fail("the window's pixels on the output", "others"));
            }
        }
    }

    /// The last release point that the compositor has signalled.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the kernel does not say it.
    pub fn released(&self) -> Result<u64, Stop> {
        self.release.timeline.reached().map_err(cannot("look at a timeline"))
    }

    /// Waits until a release point has been signalled.
    ///
    /// # Errors
    ///
    /// As [`Client::wait`].
    pub fn wait_for_release(&mut self, point: u64) -> Result<(), Stop> {
        let timeline = &self.release.timeline;
        let reached = |_: &_| timeline.reached().is_ok_and(|reached| reached >= point);
        self.dmabufs.client.wait("the release point to be signalled", reached)
    }
}
