//! `xdg_wm_base`: what makes windows of surfaces.

use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base::{self, XdgWmBase};
use wayland_server::Resource;

use super::global;
use super::surface::surface_id;
use super::xdg_positioner::PositionerData;
use super::xdg_surface::XdgSurfaceData;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::server::Server;
use crate::shell::Entry;
use crate::surface::{Attach, Role};

global!(XdgWmBase, 6, |_server, _client, object, init| {
    init.init(object, BaseData);
});

/// A bound `xdg_wm_base`.
struct BaseData;

impl Requests<XdgWmBase> for BaseData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, object: &XdgWmBase, request: xdg_wm_base::Request) -> Outcome {
        use xdg_wm_base::{Error, Request};
        match request {
            Request::CreatePositioner { id } => {
                ctx.init.init(id, PositionerData::default());
            }
            Request::GetXdgSurface { id, surface } => {
                let number = surface_id(&surface);
                let Some(state) = ctx.server.surfaces.get(number) else { return Ok(()) };
                if !matches!(state.role, Role::None | Role::Toplevel | Role::Popup)
                    || state.child.is_some()
                    || ctx.server.shell.has(number)
                {
                    let message = format!("{} has another role, or an xdg_surface already", surface.id());
                    return Err(ProtocolError::new(Error::Role, message));
                }
                if matches!(state.pending.attach, Some(Attach::Buffer(_))) || state.current.has_content() {
                    let message = format!(
                        "{} has a buffer already: attach one after the first xdg_surface.configure",
                        surface.id()
                    );
                    return Err(ProtocolError::new(Error::InvalidSurfaceState, message));
                }
                let xdg = ctx.init.init(id, XdgSurfaceData { surface: number });
                ctx.server.shell.insert(number, Entry::new(xdg, object.clone()));
            }
            Request::Pong { serial } => ctx.server.pong(object, serial),
            Request::Destroy if ctx.server.shell.is_base_of_any(object) => {
                let message = "destroyed before its xdg_surfaces were";
                return Err(ProtocolError::new(Error::DefunctSurfaces, message));
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &XdgWmBase) {
        server.forget_ping(object);
    }
}
