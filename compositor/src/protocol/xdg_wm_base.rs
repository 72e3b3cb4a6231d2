//! `xdg_wm_base`: what makes windows of surfaces.

use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base::{self, XdgWmBase};
use wayland_server::{Client, DataInit, DisplayHandle, GlobalDispatch, New, Resource};

use super::surface::surface_id;
use super::xdg_positioner::PositionerData;
use super::xdg_surface::XdgSurfaceData;
use crate::dispatch::{Ctx, Requests, client_state};
use crate::error::{Outcome, ProtocolError};
use crate::server::Server;
use crate::shell::Entry;
use crate::surface::{Attach, Role};

/// Programs that bind whatever version is there, and whose own library ends them when an event arrives
/// that they do not know (the first such is of version 4). They see version 3.
const BIND_ANYTHING: [&str; 1] = ["weston-presentation-shm"];

/// Who sees one of the two globals.
pub(crate) enum For {
    /// Programs that know what they bind.
    Most,
    /// The others.
    BindAnything,
}

/// Advertises the global.
pub(crate) fn advertise(display: &DisplayHandle) {
    display.create_global::<Server, XdgWmBase, For>(6, For::Most);
    display.create_global::<Server, XdgWmBase, For>(3, For::BindAnything);
}

impl GlobalDispatch<XdgWmBase, For> for Server {
    fn bind(
        _: &mut Server,
        _: &DisplayHandle,
        _: &Client,
        object: New<XdgWmBase>,
        _: &For,
        init: &mut DataInit<'_, Server>,
    ) {
        init.init(object, BaseData);
    }

    fn can_view(client: Client, whose: &For) -> bool {
        let binds_anything = BIND_ANYTHING.contains(&client_state(&client).program.as_str());
        binds_anything == matches!(whose, For::BindAnything)
    }
}

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
