//! `wl_surface`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_callback::{self, WlCallback};
use wayland_server::protocol::wl_surface::{self, WlSurface};
use wayland_server::{Resource, WEnum};

use super::compositor::region_of;
use super::drm_syncobj::check_points;
use super::shm::BufferData;
use crate::buffer::Release;
use crate::client::ClientState;
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Point, Rect, Transform};
use crate::server::Server;
use crate::surface::{Attach, Role, SurfaceId};

/// The data of a `wl_surface`.
pub(crate) struct SurfaceData {
    pub surface: SurfaceId,
    pub client: Arc<ClientState>,
}

/// The number of a surface that a request names.
pub(crate) fn surface_id(resource: &WlSurface) -> SurfaceId {
    // Every wl_surface is made with that data, in one place (`wl_compositor.create_surface`).
    resource.data::<SurfaceData>().expect("surfaces are made with their number").surface
}

/// A callback has no requests.
pub(crate) struct CallbackData;

impl Requests<WlCallback> for CallbackData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &WlCallback, _: wl_callback::Request) -> Outcome {
        Ok(())
    }
}

impl Requests<WlSurface> for SurfaceData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, object: &WlSurface, request: wl_surface::Request) -> Outcome {
        use wl_surface::{Error, Request};
        let limits = &self.client.limits;
        // Looked up first: it needs the server too.
        let region = match &request {
            Request::SetOpaqueRegion { region } | Request::SetInputRegion { region } => {
                region.as_ref().map(|r| region_of(ctx.server, r))
            }
            _ => None,
        };
        let Some(surface) = ctx.server.surfaces.get_mut(self.surface) else { return Ok(()) };
        let waiting = surface.waiting_callbacks();
        let pending = &mut surface.pending;
        match request {
            Request::Attach { buffer, x, y } => {
                if object.version() >= 5 && (x, y) != (0, 0) {
                    return Err(ProtocolError::new(
                        Error::InvalidOffset,
                        format!("attach at {x},{y}: since version 5 that is wl_surface.offset's work"),
                    ));
                }
                pending.attach = Some(match buffer {
                    Some(buffer) => Attach::Buffer(client_buffer(&buffer)?),
                    None => Attach::Null,
                });
                if object.version() < 5 {
                    pending.offset = Point::new(x, y);
                }
            }
            Request::Offset { x, y } => pending.offset = Point::new(x, y),
            Request::Damage { x, y, width, height } => {
                pending.surface_damage.add(Rect::new(x, y, width, height));
            }
            Request::DamageBuffer { x, y, width, height } => {
                pending.buffer_damage.add(Rect::new(x, y, width, height));
            }
            Request::Frame { callback } => {
                if waiting >= limits.callbacks {
                    let message = format!("more than {} frame callbacks wait on a surface", limits.callbacks);
                    return Err(ProtocolError::no_memory(message));
                }
                let callback = ctx.init.init(callback, CallbackData);
                pending.callbacks.push(callback);
            }
            Request::SetOpaqueRegion { .. } => pending.opaque = Some(region.unwrap_or_default()),
            Request::SetInputRegion { .. } => pending.input = Some(region),
            Request::SetBufferTransform { transform } => {
                let known = match transform {
                    WEnum::Value(t) => Transform::from_wire(t),
                    WEnum::Unknown(_) => None,
                };
                let Some(transform) = known else {
                    let message = format!("there is no transform {}", u32::from(transform));
                    return Err(ProtocolError::new(Error::InvalidTransform, message));
                };
                pending.transform = Some(transform);
            }
            Request::SetBufferScale { scale } => {
                if scale < 1 {
                    let message = format!("buffer scale {scale} is not positive");
                    return Err(ProtocolError::new(Error::InvalidScale, message));
                }
                pending.scale = Some(scale);
            }
            Request::GetRelease { callback } => {
                if pending.release.len() >= limits.callbacks {
                    let message = format!("more than {} release callbacks for one commit", limits.callbacks);
                    return Err(ProtocolError::no_memory(message));
                }
                pending.release.push(Release::Callback(ctx.init.init(callback, CallbackData)));
            }
            Request::Commit => {
                if !pending.release.is_empty() && !matches!(pending.attach, Some(Attach::Buffer(_))) {
                    let message = "get_release without a buffer attached in the same commit";
                    return Err(ProtocolError::new(Error::NoBuffer, message));
                }
                check_points(surface)?;
                ctx.server.commit(self.surface)?;
                ctx.server.frame_within_turn();
            }
            Request::Destroy if surface.role != Role::None && ctx.server.role_object_alive(self.surface) => {
                let message = "a surface must outlive the object that gave it its role";
                return Err(ProtocolError::new(Error::DefunctRoleObject, message));
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &WlSurface) {
        self.client.counts.surfaces.fetch_sub(1, Ordering::Relaxed);
        server.shell_surface_gone(self.surface);
        server.seat_surface_gone(self.surface);
        server.dmabufs.surface_gone(self.surface);
        server.held_surface_gone(self.surface, self.client.key);
        if let Some(surface) = server.surfaces.remove(self.surface) {
            for feedback in surface.current.feedback.into_iter().chain(surface.pending.feedback) {
                feedback.discarded();
            }
        }
        server.schedule_frame();
    }
}

fn client_buffer(buffer: &WlBuffer) -> Result<Arc<crate::buffer::Buffer>, ProtocolError> {
    // Every kind of buffer that can be made has that data.
    buffer
        .data::<BufferData>()
        .map(|data| data.buffer.clone())
        .ok_or_else(|| ProtocolError::new(0u32, "that wl_buffer is of no kind that selkie knows"))
}
