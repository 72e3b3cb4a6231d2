//! `wp_viewporter` and `wp_viewport`: crop and scale.

use selkie_protocols::upstream::wp::viewporter::server::wp_viewport::{self, WpViewport};
use selkie_protocols::upstream::wp::viewporter::server::wp_viewporter::{self, WpViewporter};

use super::global;
use super::surface::surface_id;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::{RectF, Size};
use crate::server::Server;
use crate::surface::{SurfaceId, Viewport};

global!(WpViewporter, 1, |_server, _client, object, init| {
    init.init(object, ViewporterData);
});

/// A bound `wp_viewporter`.
struct ViewporterData;

impl Requests<WpViewporter> for ViewporterData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WpViewporter, request: wp_viewporter::Request) -> Outcome {
        let wp_viewporter::Request::GetViewport { id, surface } = request else { return Ok(()) };
        let number = surface_id(&surface);
        let Some(state) = ctx.server.surfaces.get_mut(number) else { return Ok(()) };
        if state.viewport.is_some() {
            let message = "that surface has a viewport already";
            return Err(ProtocolError::new(wp_viewporter::Error::ViewportExists, message));
        }
        let viewport = ctx.init.init(id, ViewportData { surface: number });
        state.viewport = Some(viewport);
        Ok(())
    }
}

/// A `wp_viewport`; it may outlive its surface.
struct ViewportData {
    surface: SurfaceId,
}

impl Requests<WpViewport> for ViewportData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WpViewport, request: wp_viewport::Request) -> Outcome {
        use wp_viewport::{Error, Request};
        if let Request::Destroy = request {
            return Ok(());
        }
        let Some(surface) = ctx.server.surfaces.get_mut(self.surface) else {
            let message = "the surface of this viewport is gone";
            return Err(ProtocolError::new(Error::NoSurface, message));
        };
        let mut viewport = surface
            .pending
            .viewport
            .or_else(|| surface.cached.as_ref()?.viewport)
            .unwrap_or(surface.current.viewport);
        match request {
            Request::SetSource { x, y, width, height } => {
                viewport.source = match (x, y, width, height) {
                    (-1.0, -1.0, -1.0, -1.0) => None,
                    (x, y, w, h) if x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 => Some(RectF { x, y, w, h }),
                    _ => {
                        let message = format!("a source of {width}x{height} at {x},{y}");
                        return Err(ProtocolError::new(Error::BadValue, message));
                    }
                };
            }
            Request::SetDestination { width, height } => {
                viewport.destination = match (width, height) {
                    (-1, -1) => None,
                    (w, h) if w > 0 && h > 0 => Some(Size::new(w, h)),
                    _ => {
                        let message = format!("a destination of {width}x{height}");
                        return Err(ProtocolError::new(Error::BadValue, message));
                    }
                };
            }
            _ => {}
        }
        surface.pending.viewport = Some(viewport);
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &WpViewport) {
        if let Some(surface) = server.surfaces.get_mut(self.surface) {
            surface.viewport = None;
            surface.pending.viewport = Some(Viewport::default());
        }
    }
}

impl Server {
    /// An error that belongs on the viewport of `id`.
    pub(crate) fn viewport_error(
        &self,
        id: SurfaceId,
        code: wp_viewport::Error,
        message: String,
    ) -> ProtocolError {
        let error = ProtocolError::new(code, message);
        match self.surfaces.get(id).and_then(|s| s.viewport.as_ref()) {
            Some(viewport) => error.on(viewport),
            None => error,
        }
    }
}
