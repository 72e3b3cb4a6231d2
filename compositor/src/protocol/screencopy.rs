//! `zwlr_screencopy_manager_v1`: clients take pictures of the output.
//!
//! Any client may, where this is offered, and what it gets to see are others' windows; so it is offered only on request.

use std::sync::Arc;

use selkie_protocols::wlr::screencopy::v1::server::zwlr_screencopy_frame_v1::{
    self as frame, ZwlrScreencopyFrameV1,
};
use selkie_protocols::wlr::screencopy::v1::server::zwlr_screencopy_manager_v1::{
    self as manager, ZwlrScreencopyManagerV1,
};
use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_shm;
use wayland_server::{New, Resource};

use super::global;
use super::shm::BufferData;
use crate::buffer::{Buffer, Format};
use crate::client::Counted;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Rect, Size};
use crate::screencopy::{Shot, State};
use crate::server::Server;

global!(ZwlrScreencopyManagerV1, 3, |server, _client, object, init| {
    let manager = server.next_id();
    server.screencopy.manager_came(manager);
    init.init(object, ManagerData { manager });
});

/// A bound `zwlr_screencopy_manager_v1`.
struct ManagerData {
    manager: u64,
}

impl Requests<ZwlrScreencopyManagerV1> for ManagerData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &ZwlrScreencopyManagerV1,
        request: manager::Request,
    ) -> Outcome {
        use manager::Request;
        let screen = ctx.server.output.logical_size();
        match request {
            Request::CaptureOutput { frame, overlay_cursor, .. } => {
                self.capture(ctx, frame, overlay_cursor, Rect::of_size(screen))
            }
            Request::CaptureOutputRegion { frame, overlay_cursor, x, y, width, height, .. } => {
                let part = Rect::new(x, y, width, height).intersect(Rect::of_size(screen));
                self.capture(ctx, frame, overlay_cursor, part)
            }
            _ => Ok(()),
        }
    }

    fn destroyed(&self, server: &mut Server, _: &ZwlrScreencopyManagerV1) {
        server.screencopy.manager_gone(self.manager);
    }
}

impl ManagerData {
    /// Offers a picture of `part`, in logical units and within the output.
    fn capture(
        &self,
        ctx: &mut Ctx<'_, '_>,
        new: New<ZwlrScreencopyFrameV1>,
        overlay_cursor: i32,
        part: Rect,
    ) -> Outcome {
        let client = ctx.state().clone();
        let limit = client.limits.captures;
        let Some(counted) = Counted::take(&client, |c| &c.captures, limit) else {
            return Err(ProtocolError::no_memory(format!(
                "more than {limit} pictures of the output at a time"
            )));
        };
        let scale = ctx.server.output.scale();
        let px = |v: i32| v.saturating_mul(scale);
        let region = Rect::new(px(part.x), px(part.y), px(part.w), px(part.h));
        let number = ctx.server.next_id();
        let resource = ctx.init.init(new, FrameData { frame: number });
        let state = if region.is_empty() {
            resource.failed();
            State::Failed
        } else {
            offer(&resource, region.size());
            State::Offered
        };
        let shot = Shot {
            resource,
            client,
            manager: self.manager,
            region,
            screen: (ctx.server.output.size(), scale),
            cursor: overlay_cursor != 0,
            state,
            _counted: counted,
        };
        ctx.server.screencopy.offered(number, shot);
        Ok(())
    }
}

/// Says which buffer a picture of `size` pixels fits into.
fn offer(frame: &ZwlrScreencopyFrameV1, size: Size) {
    // Neither is negative.
    let (w, h) = (size.w as u32, size.h as u32);
    frame.buffer(wl_shm::Format::Xrgb8888, w, h, w * 4);
    if frame.version() >= 3 {
        frame.buffer_done();
    }
}

/// A `zwlr_screencopy_frame_v1`.
struct FrameData {
    frame: u64,
}

impl Requests<ZwlrScreencopyFrameV1> for FrameData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &ZwlrScreencopyFrameV1, request: frame::Request) -> Outcome {
        match request {
            frame::Request::Copy { buffer } => self.copy(ctx, &buffer, false),
            frame::Request::CopyWithDamage { buffer } => self.copy(ctx, &buffer, true),
            _ => Ok(()),
        }
    }

    fn destroyed(&self, server: &mut Server, _: &ZwlrScreencopyFrameV1) {
        server.screencopy.frame_gone(self.frame);
    }
}

impl FrameData {
    fn copy(&self, ctx: &mut Ctx<'_, '_>, buffer: &WlBuffer, damaged: bool) -> Outcome {
        let Some(shot) = ctx.server.screencopy.shot(self.frame) else { return Ok(()) };
        match shot.state {
            State::Offered => {}
            // The client could not know yet.
            State::Failed => return Ok(()),
            State::Waiting { .. } | State::Used => {
                let message = "a frame is good for one copy: capture the output once more";
                return Err(ProtocolError::new(frame::Error::AlreadyUsed, message));
            }
        }
        let buffer = buffer.data::<BufferData>().map(|data| data.buffer.clone());
        let buffer = fits(buffer, shot.region.size())
            .map_err(|message| ProtocolError::new(frame::Error::InvalidBuffer, message))?;
        ctx.server.screencopy.wanted(self.frame, buffer, damaged);
        Ok(())
    }
}

/// The buffer, if a picture of `size` pixels goes into it.
fn fits(buffer: Option<Arc<Buffer>>, size: Size) -> Result<Arc<Buffer>, String> {
    let layout = buffer.as_ref().and_then(|b| b.layout()).copied();
    let (Some(buffer), Some(layout)) = (buffer, layout) else {
        return Err("only buffers of wl_shm were offered".into());
    };
    // Not negative.
    let stride = size.w as u64 * 4;
    if (layout.size, layout.stride, layout.format) == (size, stride, Format::XRGB8888) {
        return Ok(buffer);
    }
    Err(format!(
        "a buffer of {}x{} pixels of {} with rows of {} bytes, where {}x{}, XRGB8888 and {stride} were offered",
        layout.size.w,
        layout.size.h,
        layout.format.name(),
        layout.stride,
        size.w,
        size.h,
    ))
}
