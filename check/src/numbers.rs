//! Buffers of any numbers: some must be refused, some must be shown, and some a compositor may take or leave.

use std::fmt::Display;

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport::WpViewport;
use selkie_protocols::upstream::wp::viewporter::client::wp_viewporter::WpViewporter;
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_shm_pool::{self, WlShmPool};
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::protocol::wl_subsurface::WlSubsurface;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::protocol::{wl_buffer, wl_shm};
use wayland_client::{Proxy, WEnum};

use crate::case::{Outcome, Stop};
use crate::client::{Client, Ended};
use crate::expect::{Refusal, refused};
use crate::memory;
use crate::session::Session;
use crate::window::{SIDE, Window};

/// `(offset, width, height, stride)` of a buffer.
pub type Layout = (i32, i32, i32, i32);

/// The memory for cases in which the numbers are wrong, in bytes; 16 rows of 64 pixels, say.
pub const POOL: i32 = 4096;

/// The errors for a buffer whose place in its pool is wrong. The protocol has one for its size and stride, and none for its
/// offset.
pub fn misplaced() -> [Refusal; 3] {
    use wl_shm::Error::{InvalidFd, InvalidFormat, InvalidStride};
    [InvalidStride, InvalidFd, InvalidFormat].map(Refusal::shm)
}

/// The error for a buffer whose size or stride is wrong.
pub fn missized() -> [Refusal; 1] {
    [Refusal::shm(wl_shm::Error::InvalidStride)]
}

/// What comes of something that the compositor may do, or refuse with any protocol error whatever.
///
/// # Errors
///
/// [`Stop::Fail`] if the connection ended without a protocol error; any other stop as it is.
pub fn done_or_error(done: Outcome) -> Outcome {
    match done {
        Err(Stop::Ended(Ended::Error { interface, code, .. })) => {
            Ok(format!("refused: {interface} error {code}"))
        }
        Err(Stop::Ended(closed)) => Err(Stop::fail("success, or a protocol error", closed)),
        other => other,
    }
}

impl Session {
    /// A client with a window, memory of `size` bytes that is filled with grey, and a buffer in it.
    fn laid_out(
        &self,
        size: i32,
        layout: Layout,
        format: u32,
    ) -> Result<(Client, Window, wl_buffer::WlBuffer), Stop> {
        let bytes = u64::try_from(size).unwrap_or(0);
        let memory = memory::sealed(bytes)?;
        let mut client = self.connect()?;
        let shm: wl_shm::WlShm = client.bind(1)?;
        let window = client.window()?;
        let pool = client.pool(&shm, &memory, size);
        let buffer = client.buffer_of(&pool, layout, format);
        Ok((client, window, buffer))
    }

    /// A buffer of these numbers in a pool of `size` bytes must be refused, at the latest when it is to be shown.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it is not; else as [`Client::wait`].
    pub fn must_refuse(&self, size: i32, layout: Layout, refusals: &[Refusal]) -> Outcome {
        self.refuse(size, layout, wl_shm::Format::Xrgb8888 as u32, refusals)
    }

    /// A buffer of this format, which has not been offered, must be refused.
    ///
    /// # Errors
    ///
    /// As [`Session::must_refuse`].
    pub fn must_refuse_number(&self, format: u32) -> Outcome {
        // Room enough for 16 by 16 pixels of any format.
        self.refuse(POOL, (0, 16, 16, 128), format, &[Refusal::shm(wl_shm::Error::InvalidFormat)])
    }

    fn refuse(&self, size: i32, layout: Layout, format: u32, refusals: &[Refusal]) -> Outcome {
        let (mut client, window, buffer) = self.laid_out(size, layout, format)?;
        if let Err(stop) = client.roundtrip() {
            return refused(stop, refusals);
        }
        // It has been taken. What comes of that?
        match client.present(&window.surface, &buffer) {
            Err(stop @ Stop::Ended(_)) => refused(stop, refusals),
            Ok(()) => Err(Stop::fail("a protocol error", "the buffer was taken, and shown")),
            Err(_) => Err(Stop::fail("a protocol error", "the buffer was taken")),
        }
    }

    /// A buffer of these numbers may be refused with any protocol error, or taken; then it is drawn twice.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if the connection ends without a protocol error; else as [`Client::wait`].
    pub fn may_show(&self, size: i32, layout: Layout) -> Outcome {
        let show = || {
            let (mut client, window, buffer) =
                self.laid_out(size, layout, wl_shm::Format::Xrgb8888 as u32)?;
            client.set_patience(self.seconds(1));
            for _ in 0..2 {
                match client.present(&window.surface, &buffer) {
                    // A frame callback comes for what is shown only.
                    Err(Stop::Hang(_)) => {
                        client.set_patience(self.patience());
                        client.roundtrip()?;
                        return Ok("taken, and not shown".to_owned());
                    }
                    other => other?,
                }
            }
            Ok("shown".to_owned())
        };
        done_or_error(show())
    }

    /// Shows pixels, written into memory with these numbers, and looks whether they are on the output.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if others are; [`Stop::Ended`] if the client is refused; else as [`Client::wait`].
    pub fn show_pixels(&self, size: i32, layout: Layout, pixels: &[u32]) -> Outcome {
        let memory = memory::sealed(u64::try_from(size).unwrap_or(0))?;
        let (offset, width, _, stride) = layout;
        let number = |n: i32| u64::try_from(n).unwrap_or(0);
        let width = usize::try_from(width).unwrap_or(1).max(1);
        for (y, row) in pixels.chunks(width).enumerate() {
            memory::write_pixels(&memory, number(offset) + y as u64 * number(stride), row)?;
        }
        let mut client = self.connect()?;
        let shm: wl_shm::WlShm = client.bind(1)?;
        let window = client.window()?;
        let pool = client.pool(&shm, &memory, size);
        let buffer = client.buffer_at(&pool, layout, wl_shm::Format::Xrgb8888);
        client.present(&window.surface, &buffer)?;
        client.follow(&window, &buffer)?;
        match client.look()? {
            None => Ok("shown, but nobody can look".to_owned()),
            Some(picture) if picture.contains(pixels, width) => Ok("shown".to_owned()),
            Some(_) => Err(Stop::fail("the pixels in the buffer", "others on the output")),
        }
    }
}

impl Client {
    /// Makes a buffer of any numbers, the format's too.
    pub fn buffer_of(&mut self, pool: &WlShmPool, layout: Layout, format: u32) -> wl_buffer::WlBuffer {
        let (offset, width, height, stride) = layout;
        let format = WEnum::from(format);
        let request = wl_shm_pool::Request::CreateBuffer { offset, width, height, stride, format };
        let data = self.qh().make_data::<wl_buffer::WlBuffer, ()>(());
        // It fails for a pool that is gone only, and gives an object that is gone, too.
        let buffer = pool.send_constructor(request, data);
        let buffer =
            buffer.unwrap_or_else(|_| wl_buffer::WlBuffer::inert(self.connection.backend().downgrade()));
        self.note(buffer)
    }

    /// The formats that are offered, in that order.
    ///
    /// # Errors
    ///
    /// As [`Client::roundtrip`].
    pub fn formats(&mut self) -> Result<Vec<u32>, Stop> {
        let shm: wl_shm::WlShm = self.bind(1)?;
        self.roundtrip()?;
        let events = self.of(&shm);
        Ok(events
            .iter()
            .map(|event| match event {
                wl_shm::Event::Format { format } => u32::from(*format),
                _ => u32::MAX,
            })
            .collect())
    }

    /// A viewport of a surface.
    ///
    /// # Errors
    ///
    /// As [`Client::bind`].
    pub fn viewport(&mut self, surface: &WlSurface) -> Result<WpViewport, Stop> {
        let viewporter: WpViewporter = self.bind(1)?;
        let viewport = viewporter.get_viewport(surface, &self.qh(), ());
        Ok(self.note(viewport))
    }

    /// A subsurface of a surface of [`SIDE`] squared, and neither hides the other.
    ///
    /// # Errors
    ///
    /// As [`Client::bind`].
    pub fn subsurface(&mut self, parent: &WlSurface) -> Result<(WlSurface, WlSubsurface), Stop> {
        let (compositor, sub): (WlCompositor, WlSubcompositor) = (self.bind(6)?, self.bind(1)?);
        let surface = self.note(compositor.create_surface(&self.qh(), ()));
        let subsurface = self.note(sub.get_subsurface(&surface, parent, &self.qh(), ()));
        subsurface.set_position(SIDE / 2, SIDE / 2);
        Ok((surface, subsurface))
    }

    /// The compositor must end this connection with some protocol error, for what was asked of it so far.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] with `expected` if it goes on, or ends the connection otherwise; else as [`Client::roundtrip`].
    pub fn must_be_ended(&mut self, expected: impl Display) -> Outcome {
        match self.roundtrip() {
            Ok(()) => Err(Stop::fail(expected, "no error")),
            Err(Stop::Ended(Ended::Error { interface, code, .. })) => {
                Ok(format!("refused: {interface} error {code}"))
            }
            Err(Stop::Ended(closed)) => Err(Stop::fail(expected, closed)),
            Err(other) => Err(other),
        }
    }
}

/// Rectangles that begin and end at the limits of 32 bits: `(x, y, width, height)`.
pub const RECTANGLES: [(i32, i32, i32, i32); 6] = [
    (0, 0, i32::MAX, i32::MAX),
    (i32::MIN, i32::MIN, i32::MAX, i32::MAX),
    (i32::MAX, i32::MAX, i32::MAX, i32::MAX),
    (i32::MIN, i32::MIN, 1, 1),
    (i32::MAX, i32::MAX, 1, 1),
    (-1, -1, i32::MAX, i32::MAX),
];

/// Bytes of one pixel, for the formats in which a pixel has bytes of its own.
pub fn pixel_bytes(format: u32) -> Option<i32> {
    use wl_shm::Format as F;
    Some(match F::try_from(format).ok()? {
        F::Rgb332 | F::Bgr233 | F::C8 | F::R8 => 1,
        F::Xrgb4444
        | F::Xbgr4444
        | F::Rgbx4444
        | F::Bgrx4444
        | F::Argb4444
        | F::Abgr4444
        | F::Rgba4444
        | F::Bgra4444
        | F::Xrgb1555
        | F::Xbgr1555
        | F::Rgbx5551
        | F::Bgrx5551
        | F::Argb1555
        | F::Abgr1555
        | F::Rgba5551
        | F::Bgra5551
        | F::Rgb565
        | F::Bgr565
        | F::R16
        | F::Rg88
        | F::Gr88 => 2,
        F::Rgb888 | F::Bgr888 => 3,
        F::Argb8888
        | F::Xrgb8888
        | F::Xbgr8888
        | F::Rgbx8888
        | F::Bgrx8888
        | F::Abgr8888
        | F::Rgba8888
        | F::Bgra8888
        | F::Xrgb2101010
        | F::Xbgr2101010
        | F::Rgbx1010102
        | F::Bgrx1010102
        | F::Argb2101010
        | F::Abgr2101010
        | F::Rgba1010102
        | F::Bgra1010102 => 4,
        F::Xrgb16161616f
        | F::Xbgr16161616f
        | F::Argb16161616f
        | F::Abgr16161616f
        | F::Xrgb16161616
        | F::Xbgr16161616
        | F::Argb16161616
        | F::Abgr16161616 => 8,
        _ => return None,
    })
}

/// Pixels of which no two neighbours are alike, for a picture of that size.
pub fn pattern(width: i32, height: i32) -> Vec<u32> {
    let (width, height) = (width.unsigned_abs(), height.unsigned_abs());
    (0..height)
        .flat_map(|y| (0..width).map(move |x| 0xff00_0000 | (x * 4 + 1) << 16 | (y * 4 + 2) << 8 | 0x5b))
        .collect()
}
