//! `wl_subcompositor` and `wl_subsurface`.

use wayland_server::Resource;
use wayland_server::protocol::wl_subcompositor::{self, WlSubcompositor};
use wayland_server::protocol::wl_subsurface::{self, WlSubsurface};
use wayland_server::protocol::wl_surface::WlSurface;

use super::global;
use super::surface::surface_id;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Point;
use crate::server::Server;
use crate::surface::{Role, SurfaceId, TreeError};

global!(WlSubcompositor, 1, |_server, _client, object, init| {
    init.init(object, SubcompositorData);
});

/// A bound `wl_subcompositor`.
struct SubcompositorData;

impl Requests<WlSubcompositor> for SubcompositorData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &WlSubcompositor,
        request: wl_subcompositor::Request,
    ) -> Outcome {
        use wl_subcompositor::Error;
        let wl_subcompositor::Request::GetSubsurface { id, surface, parent } = request else { return Ok(()) };
        let (child, parent) = (surface_id(&surface), surface_id(&parent));
        let server = &mut *ctx.server;
        let Some(state) = server.surfaces.get(child) else { return Ok(()) };
        if !matches!(state.role, Role::None | Role::Subsurface)
            || state.child.is_some()
            || server.shell.has(child)
        {
            let message = "that surface has another role, or is a subsurface already";
            return Err(ProtocolError::new(Error::BadSurface, message));
        }
        let depth = state.client.limits.subsurface_depth;
        server.surfaces.link(child, parent, depth).map_err(|e| match e {
            TreeError::Cycle => ProtocolError::new(Error::BadParent, e.to_string()),
            TreeError::TooDeep(_) => ProtocolError::no_memory(e.to_string()),
        })?;
        ctx.init.init(id, SubsurfaceData { surface: child });
        Ok(())
    }
}

/// A `wl_subsurface`.
struct SubsurfaceData {
    surface: SurfaceId,
}

impl Requests<WlSubsurface> for SubsurfaceData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlSubsurface, request: wl_subsurface::Request) -> Outcome {
        use wl_subsurface::Request;
        let surfaces = &mut ctx.server.surfaces;
        match request {
            Request::SetPosition { x, y } => {
                // Waits for the parent's commit.
                if let Some(child) = surfaces.get(self.surface).and_then(|s| s.child)
                    && let Some(parent) = surfaces.get_mut(child.parent)
                {
                    let positions = &mut parent.pending.positions;
                    positions.retain(|(s, _)| *s != self.surface);
                    positions.push((self.surface, Point::new(x, y)));
                }
            }
            Request::PlaceAbove { sibling } => self.restack(ctx.server, &sibling, true)?,
            Request::PlaceBelow { sibling } => self.restack(ctx.server, &sibling, false)?,
            Request::SetSync => {
                if let Some(child) = surfaces.get_mut(self.surface).and_then(|s| s.child.as_mut()) {
                    child.sync = true;
                }
            }
            Request::SetDesync => {
                if let Some(child) = surfaces.get_mut(self.surface).and_then(|s| s.child.as_mut()) {
                    child.sync = false;
                }
                ctx.server.desynchronised(self.surface)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &WlSubsurface) {
        server.surfaces.unlink(self.surface);
        server.schedule_frame();
    }
}

impl SubsurfaceData {
    fn restack(&self, server: &mut Server, sibling: &WlSurface, above: bool) -> Outcome {
        let known = server.surfaces.get(self.surface).is_some_and(|s| s.child.is_some());
        if known && !server.surfaces.restack(self.surface, surface_id(sibling), above) {
            let message = format!("{} is neither the parent nor a sibling", sibling.id());
            return Err(ProtocolError::new(wl_subsurface::Error::BadSurface, message));
        }
        Ok(())
    }
}
