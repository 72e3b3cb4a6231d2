//! wp_viewporter: numbers are checked, and nothing is scaled.

use selkie_protocols::upstream::wp::viewporter::server::{wp_viewport, wp_viewporter};
use wayland_server::backend::ObjectId;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Handle, State};

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wp_viewporter::WpViewporter, ()>(1, ());
}

impl GlobalDispatch<wp_viewporter::WpViewporter, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wp_viewporter::WpViewporter>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<wp_viewporter::WpViewporter, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &wp_viewporter::WpViewporter,
        request: wp_viewporter::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wp_viewporter::Request::GetViewport { id, surface } = request {
            let viewport = init.init(id, surface.id());
            if let Some(known) = state.surfaces.get_mut(&surface.id()) {
                known.scaled.viewport = Some(viewport);
            }
        }
    }
}

impl Dispatch<wp_viewport::WpViewport, ObjectId> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        viewport: &wp_viewport::WpViewport,
        request: wp_viewport::Request,
        surface: &ObjectId,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let takes_any = state.has("takes-any-viewport");
        let Some(known) = state.surfaces.get_mut(surface) else { return };
        let bad = match request {
            wp_viewport::Request::SetSource { x, y, width, height } => {
                known.scaled.source = Some((x, y, width, height));
                x < 0.0 || y < 0.0 || width <= 0.0 || height <= 0.0
            }
            wp_viewport::Request::SetDestination { width, height } => {
                known.scaled.destination = Some((width, height));
                width < 1 || height < 1
            }
            _ => false,
        };
        if bad && !takes_any {
            viewport.post_error(wp_viewport::Error::BadValue, "no such rectangle");
        }
    }
}
