//! Pictures of the output, which a compositor writes into memory of the client's: the one thing that it writes there.

use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_frame_v1::{
    Error, Event, ZwlrScreencopyFrameV1,
};
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_output::WlOutput;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::{Proxy, WEnum};

use crate::case::Stop;
use crate::client::Client;
use crate::expect::Refusal;
use crate::memory::cannot;
use crate::share::invalid_fd;

/// A frame, and the buffer that it asks for.
#[derive(Debug)]
pub struct Capture {
    /// The frame.
    pub frame: ZwlrScreencopyFrameV1,
    /// wl_shm, for the buffer.
    pub shm: WlShm,
    /// The format that was asked for.
    pub format: Format,
    /// Pixels in a row.
    pub width: i32,
    /// Rows.
    pub height: i32,
    /// Bytes from one row to the next.
    pub stride: i32,
}

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The picture is there.
    Ready,
    /// It is not.
    Failed,
}

impl Client {
    /// Asks for a picture of the first output, and waits for what it needs.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if there is no such thing, or it needs no buffer of wl_shm.
    pub fn capture(&mut self) -> Result<Capture, Stop> {
        let manager: ZwlrScreencopyManagerV1 = self.bind(2)?;
        let (output, shm): (WlOutput, WlShm) = (self.bind(1)?, self.bind(1)?);
        let frame = manager.capture_output(0, &output, &self.qh(), ());
        let frame = self.note(frame);
        self.wait_for(&frame, 1)?;
        let offer = self.of(&frame).into_iter().find_map(|event| match event {
            Event::Buffer { format: WEnum::Value(format), width, height, stride } => {
                Some((*format, *width, *height, *stride))
            }
            _ => None,
        });
        let (format, width, height, stride) =
            offer.ok_or_else(|| Stop::skip("this output is not copied into buffers of wl_shm"))?;
        let number = |n: u32| i32::try_from(n).map_err(cannot("have a picture of that size"));
        let (width, height, stride) = (number(width)?, number(height)?, number(stride)?);
        Ok(Capture { frame, shm, format, width, height, stride })
    }

    /// Has a picture copied into a buffer, and waits for what comes of it.
    ///
    /// # Errors
    ///
    /// As [`Client::wait`].
    pub fn copy(&mut self, capture: &Capture, buffer: &WlBuffer) -> Result<Copied, Stop> {
        capture.frame.copy(buffer);
        let frame = capture.frame.id();
        self.wait("zwlr_screencopy_frame_v1.ready or failed", move |events| {
            let of_it = events.log.iter().filter(|event| event.object == frame);
            let ended = |event: &Event| matches!(event, Event::Ready { .. } | Event::Failed);
            of_it.filter_map(|event| event.event.downcast_ref()).any(ended)
        })?;
        let failed = self.of(&capture.frame).into_iter().any(|event| matches!(event, Event::Failed));
        Ok(if failed { Copied::Failed } else { Copied::Ready })
    }
}

impl Capture {
    /// Bytes that the picture takes.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if no pool can hold them.
    pub fn bytes(&self) -> Result<i32, Stop> {
        let bytes = self.stride.checked_mul(self.height);
        bytes.ok_or_else(|| Stop::fail("a picture that fits into a pool", format_args!("{self:?}")))
    }

    /// A buffer as it was asked for, at an offset in a pool of memory.
    pub fn buffer(
        &self,
        client: &mut Client,
        memory: impl std::os::fd::AsFd,
        offset: i32,
        size: i32,
    ) -> WlBuffer {
        let pool = client.pool(&self.shm, memory, size);
        client.buffer_at(&pool, (offset, self.width, self.height, self.stride), self.format)
    }
}

/// The errors that memory which cannot be written may end in: `wl_shm.invalid_fd`, or the frame's own for a buffer that will
/// not do.
pub fn not_writable() -> [Refusal; 2] {
    let [fd] = invalid_fd();
    [fd, invalid_buffer()]
}

/// `zwlr_screencopy_frame_v1.invalid_buffer`.
pub fn invalid_buffer() -> Refusal {
    Refusal::new(&["zwlr_screencopy_frame_v1"], Error::InvalidBuffer)
}
