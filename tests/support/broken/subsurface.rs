//! wl_subcompositor: subsurfaces, which are synchronised with their parents until they are told otherwise.

use wayland_server::backend::{ClientId, ObjectId};
use wayland_server::protocol::{wl_subcompositor, wl_subsurface};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Handle, State, numbers};

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_subcompositor::WlSubcompositor, ()>(1, ());
}

/// How many surfaces there are above one, found in the elegant way: with what the stack holds, of 2 MiB.
pub fn levels(state: &State, surface: &ObjectId) -> usize {
    let picture = std::hint::black_box([0_u8; 16 << 10]);
    let parent = state.surfaces.get(surface).and_then(|surface| surface.parent.as_ref());
    let above = parent.map_or(0, |parent| 1 + levels(state, parent));
    above + usize::from(picture[above % picture.len()])
}

impl GlobalDispatch<wl_subcompositor::WlSubcompositor, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_subcompositor::WlSubcompositor>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<wl_subcompositor::WlSubcompositor, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wl_subcompositor::WlSubcompositor,
        request: wl_subcompositor::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_subcompositor::Request::GetSubsurface { id, surface, parent } = request {
            init.init(id, surface.id());
            state.parents.insert(parent.id());
            if let Some(known) = state.surfaces.get_mut(&surface.id()) {
                known.parent = Some(parent.id());
                known.synchronised = true;
            }
        }
    }
}

impl Dispatch<wl_subsurface::WlSubsurface, ObjectId> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wl_subsurface::WlSubsurface,
        request: wl_subsurface::Request,
        surface: &ObjectId,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let adds = state.has("adds-in-32-bits");
        let Some(known) = state.surfaces.get_mut(surface) else { return };
        match request {
            wl_subsurface::Request::SetPosition { x, y } => {
                if adds {
                    numbers::edges((x, y, 64, 64));
                    numbers::edges((x, y, -64, -64));
                }
                known.position = (x, y);
            }
            wl_subsurface::Request::SetSync => known.synchronised = true,
            wl_subsurface::Request::SetDesync => known.synchronised = false,
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, _: &wl_subsurface::WlSubsurface, surface: &ObjectId) {
        // A role is to be destroyed before its surface; when a client dies nobody keeps to that.
        assert!(!state.has("needs-surfaces") || state.surfaces.contains_key(surface), "no such surface");
        if let Some(known) = state.surfaces.get_mut(surface) {
            known.parent = None;
        }
    }
}
