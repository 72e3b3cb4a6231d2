//! wp_linux_drm_syncobj_manager_v1: commits come with points on timelines, one to wait for and one to signal.

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
use wayland_server::backend::ObjectId;
use wayland_server::protocol::wl_surface;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Handle, State, shm};

/// A point on a timeline.
#[derive(Clone)]
pub struct Point {
    timeline: Arc<Timeline>,
    value: u64,
}

impl Point {
    /// Whether it has been signalled.
    pub fn is_reached(&self) -> bool {
        self.timeline.reached().is_ok_and(|reached| reached >= self.value)
    }

    /// Signals it.
    pub fn signal(&self) {
        self.timeline.signal(self.value).unwrap();
    }
}

/// The points of a commit.
#[derive(Clone, Default)]
pub struct Points {
    pub acquire: Option<Point>,
    pub release: Option<Point>,
}

/// A surface's extension.
pub struct Extension {
    surface: ObjectId,
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, WpLinuxDrmSyncobjManagerV1, ()>(1, ());
}

/// Whether points and buffer of what is to be committed are as they must be. If not, the client has been told.
pub fn check(state: &State, surface: &wl_surface::WlSurface) -> bool {
    let Some(known) = state.surfaces.get(&surface.id()) else { return false };
    let Some(extension) = &known.extension else { return true };
    let Points { acquire, release } = &known.pending.points;
    let wrong = match (&known.pending.attach, acquire, release) {
        (Some(Some(buffer)), acquire, release) => {
            let is_dmabuf = shm::of(buffer).is_some_and(|buffer| buffer.dmabuf().is_some());
            match (acquire, release) {
                (None, _) if !state.has("needs-no-acquire") => Some(Error::NoAcquirePoint),
                (_, None) if !state.has("needs-no-release") => Some(Error::NoReleasePoint),
                _ if !is_dmabuf && !state.has("forgets-points-of-shm") => Some(Error::UnsupportedBuffer),
                (Some(acquire), Some(release))
                    if Arc::ptr_eq(&acquire.timeline, &release.timeline)
                        && acquire.value >= release.value
                        && !state.has("compares-no-points") =>
                {
                    Some(Error::ConflictingPoints)
                }
                _ => None,
            }
        }
        (_, None, None) => None,
        _ if state.has("keeps-points") => None,
        _ => Some(Error::NoBuffer),
    };
    if let Some(error) = wrong {
        extension.post_error(error, "not these points");
    }
    wrong.is_none()
}

impl GlobalDispatch<WpLinuxDrmSyncobjManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<WpLinuxDrmSyncobjManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<WpLinuxDrmSyncobjManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &WpLinuxDrmSyncobjManagerV1,
        request: manager::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            manager::Request::GetSurface { id, surface } => {
                let twice = state.has("synchronises-twice");
                let Some(known) = state.surfaces.get_mut(&surface.id()) else { return };
                if known.extension.is_some() && !twice {
                    return object.post_error(manager::Error::SurfaceExists, "it is synchronised already");
                }
                known.extension = Some(init.init(id, Extension { surface: surface.id() }));
            }
            manager::Request::ImportTimeline { id, fd } => {
                let device = state.device.as_ref();
                let timeline = device.and_then(|device| Timeline::import(device, fd.as_fd()).ok());
                if timeline.is_none() && !state.has("takes-any-timeline") {
                    return object.post_error(manager::Error::InvalidTimeline, "no timeline");
                }
                init.init(id, timeline.map(Arc::new));
            }
            _ => {}
        }
    }
}

/// What is behind a timeline's object, if it was one.
type Known = Option<Arc<Timeline>>;

impl Dispatch<WpLinuxDrmSyncobjTimelineV1, Known> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &WpLinuxDrmSyncobjTimelineV1,
        request: timeline::Request,
        known: &Known,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let (timeline::Request::Destroy, Some(gone)) = (request, known) else { return };
        if state.has("forgets-timelines") {
            for known in state.surfaces.values_mut() {
                let Points { acquire, release } = &mut known.pending.points;
                acquire.take_if(|point| Arc::ptr_eq(&point.timeline, gone));
                release.take_if(|point| Arc::ptr_eq(&point.timeline, gone));
            }
        }
    }
}

impl Dispatch<WpLinuxDrmSyncobjSurfaceV1, Extension> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &WpLinuxDrmSyncobjSurfaceV1,
        request: extension::Request,
        extension: &Extension,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let forgiving = state.has("sets-points-of-nothing");
        let known = state.surfaces.get_mut(&extension.surface);
        let (is_acquire, of, hi, lo) = match request {
            extension::Request::SetAcquirePoint { timeline, point_hi, point_lo } => {
                (true, timeline, point_hi, point_lo)
            }
            extension::Request::SetReleasePoint { timeline, point_hi, point_lo } => {
                (false, timeline, point_hi, point_lo)
            }
            _ => {
                if let Some(known) = known {
                    (known.extension, known.pending.points) = (None, Points::default());
                }
                return;
            }
        };
        let Some(known) = known else {
            if !forgiving {
                object.post_error(Error::NoSurface, "the surface is gone");
            }
            return;
        };
        let timeline = of.data::<Known>().cloned().flatten();
        let value = u64::from(hi) << 32 | u64::from(lo);
        let point = timeline.map(|timeline| Point { timeline, value });
        let points = &mut known.pending.points;
        *if is_acquire { &mut points.acquire } else { &mut points.release } = point;
    }
}
