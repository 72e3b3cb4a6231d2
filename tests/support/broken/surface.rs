//! wl_compositor and its surfaces.

use std::collections::VecDeque;

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::server::wp_linux_drm_syncobj_surface_v1::WpLinuxDrmSyncobjSurfaceV1;
use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback;
use wayland_server::backend::ObjectId;
use wayland_server::protocol::{wl_buffer, wl_callback, wl_compositor, wl_region, wl_surface};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum};

use super::{Handle, State, commit, numbers, shell, syncobj};

/// What one commit brings.
#[derive(Default)]
pub struct Content {
    /// `Some(None)`: a null buffer is attached.
    pub attach: Option<Option<wl_buffer::WlBuffer>>,
    pub damaged: bool,
    pub callbacks: Vec<wl_callback::WlCallback>,
    pub releases: Vec<wl_callback::WlCallback>,
    pub feedback: Vec<wp_presentation_feedback::WpPresentationFeedback>,
    /// When it may be read, and whom to tell that it has been.
    pub points: syncobj::Points,
}

/// A surface's state.
#[derive(Default)]
pub struct Surface {
    /// When it was made, compared with others.
    pub number: usize,
    pub pending: Content,
    /// Of a synchronised subsurface: what waits for the parent's commit.
    pub waiting: Option<Content>,
    /// What waits until its picture is drawn.
    pub held: VecDeque<Content>,
    /// What sets the points of its commits.
    pub extension: Option<WpLinuxDrmSyncobjSurfaceV1>,
    /// Whose subsurface it is.
    pub parent: Option<ObjectId>,
    pub synchronised: bool,
    pub position: (i32, i32),
    /// Its pixels, row by row, and their size.
    pub picture: Vec<u32>,
    pub size: (i32, i32),
    /// Where the picture came from, and the one before: for those who read it again.
    pub shown: Option<wl_buffer::WlBuffer>,
    pub before: Option<wl_buffer::WlBuffer>,
    /// What was said of scale and crop.
    pub scaled: numbers::Scaled,
    /// Its role, if it is a window.
    pub window: Option<shell::Window>,
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_compositor::WlCompositor, ()>(7, ());
}

impl GlobalDispatch<wl_compositor::WlCompositor, ()> for State {
    fn bind(
        state: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_compositor::WlCompositor>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        state.record();
        init.init(new, ());
    }
}

impl Dispatch<wl_compositor::WlCompositor, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wl_compositor::WlCompositor,
        request: wl_compositor::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_compositor::Request::CreateSurface { id } => {
                let surface = init.init(id, ());
                state.record();
                state.made += 1;
                let number = state.made;
                state.surfaces.insert(surface.id(), Surface { number, ..Surface::default() });
            }
            wl_compositor::Request::CreateRegion { id } => {
                state.record();
                init.init(id, ());
            }
            _ => {}
        }
    }
}

impl Dispatch<wl_region::WlRegion, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wl_region::WlRegion,
        request: wl_region::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use wl_region::Request::{Add, Subtract};
        if let Add { x, y, width, height } | Subtract { x, y, width, height } = request {
            state.record();
            numbers::rectangle(state, (x, y, width, height));
        }
    }
}

impl Dispatch<wl_callback::WlCallback, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wl_callback::WlCallback,
        _: wl_callback::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

impl Dispatch<wl_surface::WlSurface, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        surface: &wl_surface::WlSurface,
        request: wl_surface::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let (adds, early) = (state.has("adds-in-32-bits"), state.has("calls-back-at-request"));
        let (gives, any_attach) = (state.has("releases-at-attach"), state.has("takes-any-attach"));
        let Some(known) = state.surfaces.get_mut(&surface.id()) else { return };
        match request {
            wl_surface::Request::Attach { buffer, x, y } => {
                if surface.version() >= 5 && (x, y) != (0, 0) && !any_attach {
                    return surface.post_error(wl_surface::Error::InvalidOffset, "that is offset's work");
                }
                if adds {
                    known.position = numbers::moved(known.position, (x, y));
                }
                if let Some(buffer) = buffer.as_ref().filter(|_| gives) {
                    buffer.release();
                }
                known.pending.attach = Some(buffer);
            }
            wl_surface::Request::Offset { x, y } if adds => {
                known.position = numbers::moved(known.position, (x, y));
            }
            wl_surface::Request::Damage { x, y, width, height }
            | wl_surface::Request::DamageBuffer { x, y, width, height } => {
                known.pending.damaged = true;
                if state.has("serves-until-empty") {
                    // Slower than who writes.
                    std::thread::sleep(std::time::Duration::from_micros(20));
                }
                numbers::rectangle(state, (x, y, width, height));
            }
            wl_surface::Request::Frame { callback } => {
                let callback = init.init(callback, ());
                let waiting = if early { &mut state.due } else { &mut known.pending.callbacks };
                waiting.push(callback);
                state.record();
            }
            wl_surface::Request::GetRelease { callback } => {
                known.pending.releases.push(init.init(callback, ()));
            }
            wl_surface::Request::SetBufferScale { scale } => {
                known.scaled.scale = Some(scale);
                if scale < 1 && !state.has("takes-any-scale") {
                    surface.post_error(wl_surface::Error::InvalidScale, "no such scale");
                }
            }
            wl_surface::Request::SetBufferTransform { transform: WEnum::Unknown(_) }
                if !state.has("takes-any-transform") =>
            {
                surface.post_error(wl_surface::Error::InvalidTransform, "no such transform");
            }
            wl_surface::Request::Commit => commit::commit(state, surface),
            _ => {}
        }
    }

    fn destroyed(
        state: &mut Self,
        _: wayland_server::backend::ClientId,
        surface: &wl_surface::WlSurface,
        (): &(),
    ) {
        commit::destroyed(state, &surface.id());
    }
}
