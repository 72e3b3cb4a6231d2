//! `wp_linux_drm_syncobj_manager_v1`: explicit synchronisation. Each commit of a buffer comes with the point at which its
//! content is done, and the point at which the buffer is to be said free.
//!
//! A commit waits until its acquire point is signalled, whichever path its buffer takes (see `held`), so a host that shows the
//! buffer as it is has nothing to wait for. The release point is signalled with the end of the buffer's use.

use std::os::fd::AsFd;
use std::sync::Arc;

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::server::wp_linux_drm_syncobj_manager_v1::{
    self as manager, WpLinuxDrmSyncobjManagerV1,
};
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::server::wp_linux_drm_syncobj_surface_v1::{
    self as extension, Error, WpLinuxDrmSyncobjSurfaceV1,
};
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::server::wp_linux_drm_syncobj_timeline_v1::{
    self as timeline, WpLinuxDrmSyncobjTimelineV1,
};
use shm_core::timeline::{Device, Timeline};
use wayland_server::{Client, DataInit, DisplayHandle, GlobalDispatch, New, Resource};

use super::surface::surface_id;
use crate::buffer::{Release, SyncPoint};
use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::server::Server;
use crate::surface::{Attach, Surface, SurfaceId};

/// Advertises the global if this machine has timelines that can be waited for without a thread.
pub(crate) fn advertise_if(display: &DisplayHandle, wanted: bool) {
    let device = wanted.then(|| Device::open().ok().filter(Device::can_notice)).flatten();
    if let Some(device) = device {
        display.create_global::<Server, WpLinuxDrmSyncobjManagerV1, Arc<Device>>(1, device);
    }
}

impl GlobalDispatch<WpLinuxDrmSyncobjManagerV1, Arc<Device>> for Server {
    fn bind(
        _: &mut Server,
        _: &DisplayHandle,
        _: &Client,
        object: New<WpLinuxDrmSyncobjManagerV1>,
        device: &Arc<Device>,
        init: &mut DataInit<'_, Server>,
    ) {
        init.init(object, ManagerData { device: device.clone() });
    }
}

/// A bound `wp_linux_drm_syncobj_manager_v1`.
struct ManagerData {
    device: Arc<Device>,
}

impl Requests<WpLinuxDrmSyncobjManagerV1> for ManagerData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &WpLinuxDrmSyncobjManagerV1,
        request: manager::Request,
    ) -> Outcome {
        match request {
            manager::Request::GetSurface { id, surface } => {
                let number = surface_id(&surface);
                let Some(state) = ctx.server.surfaces.get_mut(number) else { return Ok(()) };
                if state.sync.is_some() {
                    let message = "that surface is synchronised explicitly already";
                    return Err(ProtocolError::new(manager::Error::SurfaceExists, message));
                }
                state.sync = Some(ctx.init.init(id, ExtensionData { surface: number }));
            }
            manager::Request::ImportTimeline { id, fd } => {
                match Timeline::import(&self.device, fd.as_fd()) {
                    Ok(timeline) => drop(ctx.init.init(id, TimelineData(Arc::new(timeline)))),
                    Err(e) => {
                        // It may be anything. Closing a file may wait for its owner; that must not be us.
                        shm_core::closer::close_elsewhere(fd);
                        let message = format!("{e}: is the fd a drm_syncobj?");
                        return Err(ProtocolError::new(manager::Error::InvalidTimeline, message));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A `wp_linux_drm_syncobj_timeline_v1`. Points that were set keep the timeline itself.
struct TimelineData(Arc<Timeline>);

impl Requests<WpLinuxDrmSyncobjTimelineV1> for TimelineData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &WpLinuxDrmSyncobjTimelineV1, _: timeline::Request) -> Outcome {
        Ok(())
    }
}

/// The point that a request names.
fn point(timeline: &WpLinuxDrmSyncobjTimelineV1, high: u32, low: u32) -> SyncPoint {
    // Every timeline is made with that data, in one place (`import_timeline`).
    let TimelineData(timeline) = timeline.data().expect("timelines are made of what was imported");
    SyncPoint { timeline: timeline.clone(), value: u64::from(high) << 32 | u64::from(low) }
}

/// A `wp_linux_drm_syncobj_surface_v1`; it may outlive its surface.
struct ExtensionData {
    surface: SurfaceId,
}

impl Requests<WpLinuxDrmSyncobjSurfaceV1> for ExtensionData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &WpLinuxDrmSyncobjSurfaceV1,
        request: extension::Request,
    ) -> Outcome {
        use extension::Request;
        if let Request::Destroy = request {
            return Ok(());
        }
        let Some(surface) = ctx.server.surfaces.get_mut(self.surface) else {
            let message = "the surface that this synchronises is gone";
            return Err(ProtocolError::new(Error::NoSurface, message));
        };
        match request {
            Request::SetAcquirePoint { timeline, point_hi, point_lo } => {
                surface.pending.acquire = Some(point(&timeline, point_hi, point_lo));
            }
            Request::SetReleasePoint { timeline, point_hi, point_lo } => {
                surface.pending.release_point = Some(point(&timeline, point_hi, point_lo));
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &WpLinuxDrmSyncobjSurfaceV1) {
        if let Some(surface) = server.surfaces.get_mut(self.surface) {
            surface.sync = None;
            (surface.pending.acquire, surface.pending.release_point) = (None, None);
        }
    }
}

/// Checks the points of a commit against its buffer, before anything comes of it. Whoever waits for the release point is
/// told with those that wait for the buffer in other ways.
pub(super) fn check_points(surface: &mut Surface) -> Outcome {
    let Some(extension) = &surface.sync else { return Ok(()) };
    let pending = &mut surface.pending;
    let buffer = match &pending.attach {
        Some(Attach::Buffer(buffer)) => Some(buffer),
        Some(Attach::Null) | None => None,
    };
    let wrong = |error, message| Err(ProtocolError::new(error, message).on(extension));
    match (buffer, &pending.acquire, pending.release_point.take()) {
        (None, None, None) => {}
        (None, ..) => return wrong(Error::NoBuffer, "points are set, and no buffer is attached"),
        (Some(buffer), ..) if buffer.dmabuf().is_none() => {
            let message = "only dma-bufs are synchronised explicitly, and the buffer lies in a wl_shm_pool";
            return wrong(Error::UnsupportedBuffer, message);
        }
        (_, None, _) => return wrong(Error::NoAcquirePoint, "no point says when the buffer is drawn"),
        (_, _, None) => return wrong(Error::NoReleasePoint, "no point is to be signalled for the buffer"),
        (_, Some(acquire), Some(release)) if acquire.is_at_or_after(&release) => {
            let message = "on one timeline, the release point must come after the acquire point";
            return wrong(Error::ConflictingPoints, message);
        }
        (_, _, Some(release)) => pending.release.push(Release::Point(release)),
    }
    Ok(())
}
