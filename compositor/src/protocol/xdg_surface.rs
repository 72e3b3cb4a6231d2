//! `xdg_surface`: what windows and popups have in common.

use selkie_protocols::upstream::xdg::shell::server::xdg_surface::{self, XdgSurface};
use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base;
use wayland_server::Resource;

use super::xdg_popup::PopupData;
use super::xdg_positioner::complete;
use super::xdg_toplevel::ToplevelData;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Rect;
use crate::server::Server;
use crate::shell::{MAX_DEPTH, Part, Popup, Window};
use crate::surface::{Role, SurfaceId};

/// An `xdg_surface`; it does nothing once its surface is gone.
pub(crate) struct XdgSurfaceData {
    pub surface: SurfaceId,
}

impl Requests<XdgSurface> for XdgSurfaceData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, object: &XdgSurface, request: xdg_surface::Request) -> Outcome {
        use xdg_surface::{Error, Request};
        let id = self.surface;
        match request {
            Request::GetToplevel { id: new } => {
                let toplevel = ctx.init.init(new, ToplevelData { surface: id });
                if construct(ctx.server, id, Role::Toplevel)? {
                    ctx.server.shell.construct(id, Part::Window(Box::new(Window::new(toplevel))));
                }
            }
            Request::GetPopup { id: new, parent, positioner } => {
                let popup = ctx.init.init(new, PopupData { surface: id });
                let base = ctx.server.shell.get(id).map(|e| e.base.clone());
                let on_base = |e: ProtocolError| base.as_ref().map_or(e.clone(), |base| e.on(base));
                let positioner = complete(&positioner).map_err(on_base)?;
                let parent = parent.map(|p| data(&p));
                if let Some(parent) = parent {
                    let shell = &ctx.server.shell;
                    if parent == id || !shell.get(parent).is_none_or(|e| e.was_constructed) {
                        let message = "a popup's parent must be another window or popup";
                        let error = ProtocolError::new(xdg_wm_base::Error::InvalidPopupParent, message);
                        return Err(on_base(error));
                    }
                    if shell.popup_depth(parent) >= MAX_DEPTH {
                        let message = format!("popups nested more than {MAX_DEPTH} deep");
                        return Err(ProtocolError::no_memory(message));
                    }
                }
                if construct(ctx.server, id, Role::Popup)? {
                    let popup = Popup::new(popup, parent, positioner);
                    ctx.server.shell.construct(id, Part::Popup(Box::new(popup)));
                }
            }
            Request::SetWindowGeometry { x, y, width, height } => {
                let Some(entry) = ctx.server.shell.get_mut(id) else { return Ok(()) };
                constructed(entry.was_constructed)?;
                if width <= 0 || height <= 0 {
                    let message = format!("a window geometry of {width}x{height}");
                    return Err(ProtocolError::new(Error::InvalidSize, message));
                }
                entry.pending_geometry = Some(Rect::new(x, y, width, height));
            }
            Request::AckConfigure { serial } => {
                let Some(entry) = ctx.server.shell.get_mut(id) else { return Ok(()) };
                constructed(entry.was_constructed)?;
                if !entry.configures.ack(serial) {
                    let message =
                        format!("serial {serial} is of no configure event that could still be acked");
                    return Err(ProtocolError::new(Error::InvalidSerial, message));
                }
                ctx.server.acked(id);
            }
            Request::Destroy if ctx.server.role_object_alive(id) => {
                let message = format!("{} destroyed before its xdg_toplevel or xdg_popup", object.id());
                return Err(ProtocolError::new(Error::DefunctRoleObject, message));
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &XdgSurface) {
        server.xdg_surface_gone(self.surface);
    }
}

/// The surface of an `xdg_surface` that a request names.
fn data(object: &XdgSurface) -> SurfaceId {
    // Every xdg_surface is made with that data, in one place (`xdg_wm_base.get_xdg_surface`).
    object.data::<XdgSurfaceData>().expect("xdg_surfaces are made with their number").surface
}

fn constructed(is: bool) -> Outcome {
    if is {
        return Ok(());
    }
    let message = "get_toplevel or get_popup comes first";
    Err(ProtocolError::new(xdg_surface::Error::NotConstructed, message))
}

/// Gives the surface its role. Returns whether the surface still exists.
fn construct(server: &mut Server, id: SurfaceId, role: Role) -> Result<bool, ProtocolError> {
    let Some(entry) = server.shell.get(id) else { return Ok(false) };
    if entry.is_alive() {
        let message = "it has an xdg_toplevel or xdg_popup already";
        return Err(ProtocolError::new(xdg_surface::Error::AlreadyConstructed, message));
    }
    let Some(surface) = server.surfaces.get_mut(id) else { return Ok(false) };
    if surface.role != Role::None && surface.role != role {
        let message = "the surface has another role, and a role stays";
        return Err(ProtocolError::new(xdg_wm_base::Error::Role, message).on(&entry.base));
    }
    surface.role = role;
    Ok(true)
}
