//! wl_compositor and its surfaces: what is committed is copied and given back at once.

use wayland_server::protocol::{wl_buffer, wl_callback, wl_compositor, wl_region, wl_shm, wl_surface};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Handle, State, shell, shm};

/// A surface's state.
#[derive(Default)]
pub struct Surface {
    /// `Some(None)`: a null buffer is attached.
    pending: Option<Option<wl_buffer::WlBuffer>>,
    callbacks: Vec<wl_callback::WlCallback>,
    /// Its pixels, row by row.
    pub picture: Vec<u32>,
    /// Where the picture came from, if it will be read again.
    shown: Option<wl_buffer::WlBuffer>,
    /// Its role, if it is a window.
    pub window: Option<shell::Window>,
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_compositor::WlCompositor, ()>(5, ());
}

impl GlobalDispatch<wl_compositor::WlCompositor, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_compositor::WlCompositor>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
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
                state.surfaces.insert(surface.id(), Surface::default());
            }
            wl_compositor::Request::CreateRegion { id } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

impl Dispatch<wl_region::WlRegion, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wl_region::WlRegion,
        _: wl_region::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
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
        let Some(known) = state.surfaces.get_mut(&surface.id()) else { return };
        match request {
            wl_surface::Request::Attach { buffer, .. } => known.pending = Some(buffer),
            wl_surface::Request::Frame { callback } => {
                let callback = init.init(callback, ());
                known.callbacks.push(callback);
            }
            wl_surface::Request::Commit => commit(state, surface),
            _ => {}
        }
    }

    fn destroyed(
        state: &mut Self,
        _: wayland_server::backend::ClientId,
        surface: &wl_surface::WlSurface,
        (): &(),
    ) {
        state.surfaces.remove(&surface.id());
    }
}

fn commit(state: &mut State, surface: &wl_surface::WlSurface) {
    let Some(known) = state.surfaces.get_mut(&surface.id()) else { return };
    if let Some(window) = &mut known.window {
        window.configure();
    }
    let (pending, callbacks) = (known.pending.take(), std::mem::take(&mut known.callbacks));
    if let Some(Some(buffer)) = &pending
        && shm::of(buffer).is_some_and(|buffer| !buffer.pool().is_as_believed(state))
    {
        return buffer.post_error(wl_shm::Error::InvalidFd, "the memory is not as it was");
    }
    let rereads = state.has("rereads-all");
    if rereads {
        let shown = state.surfaces.values().filter_map(|known| known.shown.as_ref());
        shown.filter_map(shm::of).for_each(|buffer| drop(buffer.read(state)));
    }
    let picture = match &pending {
        Some(Some(buffer)) => shm::of(buffer).map(|pixels| pixels.read(state)),
        Some(None) => Some(Vec::new()),
        None => None,
    };
    if let (Some(picture), Some(known)) = (picture, state.surfaces.get_mut(&surface.id())) {
        known.picture = picture;
        known.shown = pending.clone().flatten().filter(|_| rereads);
    }
    if let Some(Some(buffer)) = pending
        && buffer.is_alive()
        && !state.has("never-releases")
    {
        buffer.release();
    }
    if !state.has("never-calls-back") {
        callbacks.into_iter().for_each(|callback| callback.done(0));
    }
}
