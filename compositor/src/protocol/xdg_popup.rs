//! `xdg_popup`: menus, tooltips and the like.

use selkie_protocols::upstream::xdg::shell::server::xdg_popup::{self, XdgPopup};
use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base;
use wayland_server::Resource;

use super::xdg_positioner::complete;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::server::Server;
use crate::surface::SurfaceId;

/// An `xdg_popup`; it does nothing once its surface is gone.
pub(crate) struct PopupData {
    pub surface: SurfaceId,
}

impl Requests<XdgPopup> for PopupData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &XdgPopup, request: xdg_popup::Request) -> Outcome {
        use xdg_popup::Request;
        let id = self.surface;
        let Some(base) = ctx.server.shell.get(id).map(|e| e.base.clone()) else { return Ok(()) };
        match request {
            Request::Grab { serial, .. } => ctx.server.popup_grab(id, serial)?,
            Request::Reposition { positioner, token } => {
                let positioner = complete(&positioner).map_err(|e| e.on(&base))?;
                ctx.server.popup_reposition(id, positioner, token);
            }
            Request::Destroy if ctx.server.shell.has_popups(id) => {
                let message = "a popup destroyed before the popups that it is the parent of";
                let error = ProtocolError::new(xdg_wm_base::Error::NotTheTopmostPopup, message);
                return Err(error.on(&base));
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &XdgPopup) {
        server.role_object_gone(self.surface, &object.id());
    }
}
