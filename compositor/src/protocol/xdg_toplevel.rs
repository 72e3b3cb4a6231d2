//! `xdg_toplevel`: windows.

use selkie_protocols::upstream::xdg::shell::server::xdg_toplevel::{self, ResizeEdge, XdgToplevel};
use wayland_server::{Resource, WEnum};

use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Size;
use crate::server::Server;
use crate::shell::Sides;
use crate::surface::SurfaceId;

/// An `xdg_toplevel`; it does nothing once its surface is gone.
pub(crate) struct ToplevelData {
    pub surface: SurfaceId,
}

impl Requests<XdgToplevel> for ToplevelData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &XdgToplevel, request: xdg_toplevel::Request) -> Outcome {
        use xdg_toplevel::Request;
        let id = self.surface;
        let server = &mut *ctx.server;
        let Some(window) = server.shell.window_mut(id) else { return Ok(()) };
        match request {
            Request::SetParent { parent } => {
                let parent = parent.as_ref().and_then(|p| p.data::<ToplevelData>()).map(|d| d.surface);
                server.set_parent(id, parent)?;
            }
            Request::SetTitle { title } => window.set_title(title),
            Request::SetAppId { app_id } => window.set_app_id(app_id),
            Request::SetMinSize { width, height } => window.pending_min = Some(limit("min", width, height)?),
            Request::SetMaxSize { width, height } => window.pending_max = Some(limit("max", width, height)?),
            Request::Move { serial, .. } => server.shell_begin_move(id, serial),
            Request::Resize { serial, edges, .. } => server.shell_begin_resize(id, serial, sides(edges)?),
            Request::SetMaximized => server.set_state(id, |s| s.maximized = true),
            Request::UnsetMaximized => server.set_state(id, |s| s.maximized = false),
            Request::SetFullscreen { .. } => server.set_state(id, |s| s.fullscreen = true),
            Request::UnsetFullscreen => server.set_state(id, |s| s.fullscreen = false),
            // There is no way back from being minimised and no window menu, so neither is in
            // wm_capabilities, and both are ignored, as xdg-shell.xml says.
            Request::SetMinimized | Request::ShowWindowMenu { .. } => {}
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &XdgToplevel) {
        server.role_object_gone(self.surface, &object.id());
    }
}

fn limit(which: &str, width: i32, height: i32) -> Result<Size, ProtocolError> {
    if width < 0 || height < 0 {
        let message = format!("a {which} size of {width}x{height}");
        return Err(ProtocolError::new(xdg_toplevel::Error::InvalidSize, message));
    }
    Ok(Size::new(width, height))
}

fn sides(edges: WEnum<ResizeEdge>) -> Result<Sides, ProtocolError> {
    let (x, y) = match edges {
        WEnum::Value(ResizeEdge::None) => (0, 0),
        WEnum::Value(ResizeEdge::Top) => (0, -1),
        WEnum::Value(ResizeEdge::Bottom) => (0, 1),
        WEnum::Value(ResizeEdge::Left) => (-1, 0),
        WEnum::Value(ResizeEdge::TopLeft) => (-1, -1),
        WEnum::Value(ResizeEdge::BottomLeft) => (-1, 1),
        WEnum::Value(ResizeEdge::Right) => (1, 0),
        WEnum::Value(ResizeEdge::TopRight) => (1, -1),
        WEnum::Value(ResizeEdge::BottomRight) => (1, 1),
        other => {
            let message = format!("there is no resize edge {}", u32::from(other));
            return Err(ProtocolError::new(xdg_toplevel::Error::InvalidResizeEdge, message));
        }
    };
    Ok(Sides { x, y })
}
