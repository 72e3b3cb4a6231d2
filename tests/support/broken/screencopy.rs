//! wl_output and zwlr_screencopy_manager_v1: what the windows show, drawn at the moment when somebody wants to see it.

use selkie_protocols::wlr::screencopy::v1::server::zwlr_screencopy_frame_v1::{
    self, Flags, ZwlrScreencopyFrameV1,
};
use selkie_protocols::wlr::screencopy::v1::server::zwlr_screencopy_manager_v1::{
    self, ZwlrScreencopyManagerV1,
};
use wayland_server::protocol::{wl_output, wl_shm};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::surface::Surface;
use super::{Handle, State, shm};

/// The side of the output.
const SIDE: i32 = 128;

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_output::WlOutput, ()>(2, ());
    handle.create_global::<State, ZwlrScreencopyManagerV1, ()>(1, ());
}

/// All windows above each other, with their subsurfaces.
fn picture(state: &State) -> Vec<u32> {
    let mut picture = vec![0; (SIDE * SIDE) as usize];
    let mut surfaces: Vec<&Surface> = state.surfaces.values().collect();
    surfaces.sort_by_key(|known| known.number);
    for known in surfaces.into_iter().filter(|known| known.window.is_some() || known.parent.is_some()) {
        let late = match (&known.before, &known.shown) {
            (Some(buffer), _) if state.has("is-a-frame-behind") => Some(buffer),
            (_, shown) if state.has("reads-late") => shown.as_ref(),
            _ => None,
        };
        let late = late.and_then(|buffer| shm::of(buffer)).map(|buffer| buffer.read(state));
        let pixels = late.as_ref().unwrap_or(&known.picture);
        let (left, top) = if known.window.is_some() { (0, 0) } else { known.position };
        for (y, row) in (0_i64..).zip(pixels.chunks(known.size.0.max(1) as usize)) {
            for (x, pixel) in (0_i64..).zip(row) {
                let (x, y) = (x + i64::from(left), y + i64::from(top));
                let range = 0..i64::from(SIDE);
                if range.contains(&x) && range.contains(&y) {
                    picture[(y * i64::from(SIDE) + x) as usize] = *pixel;
                }
            }
        }
    }
    picture
}

impl GlobalDispatch<wl_output::WlOutput, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_output::WlOutput>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let output = init.init(new, ());
        output.mode(wl_output::Mode::Current, SIDE, SIDE, 0);
        output.done();
    }
}

impl Dispatch<wl_output::WlOutput, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wl_output::WlOutput,
        _: wl_output::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

impl GlobalDispatch<ZwlrScreencopyManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<ZwlrScreencopyManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<ZwlrScreencopyManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &ZwlrScreencopyManagerV1,
        request: zwlr_screencopy_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let zwlr_screencopy_manager_v1::Request::CaptureOutput { frame, .. } = request {
            let (side, stride) = (SIDE as u32, SIDE as u32 * 4);
            let stride = if state.has("asks-for-short-rows") { stride / 2 } else { stride };
            init.init(frame, ()).buffer(wl_shm::Format::Xrgb8888, side, side, stride);
        }
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        frame: &ZwlrScreencopyFrameV1,
        request: zwlr_screencopy_frame_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let zwlr_screencopy_frame_v1::Request::Copy { buffer } = request else { return };
        if !state.copied.insert(frame.id()) && !state.has("copies-twice") {
            return frame.post_error(zwlr_screencopy_frame_v1::Error::AlreadyUsed, "one copy each");
        }
        let Some(target) = buffer.data::<shm::Buffer>() else { return frame.failed() };
        if (target.width, target.height) != (SIDE, SIDE) && !state.has("copies-into-anything") {
            return frame.post_error(zwlr_screencopy_frame_v1::Error::InvalidBuffer, "not as asked for");
        }
        if target.write(state, &picture(state)) || state.has("says-ready-anyway") {
            frame.flags(Flags::empty());
            frame.ready(0, 0, 0);
        } else {
            frame.failed();
        }
    }

    fn destroyed(
        state: &mut Self,
        _: wayland_server::backend::ClientId,
        frame: &ZwlrScreencopyFrameV1,
        (): &(),
    ) {
        state.copied.remove(&frame.id());
    }
}
