//! Points on timelines of clients', and who is to be told when the use of a buffer ends.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use shm_core::dmabuf::Access;
use shm_core::timeline::{Timeline, TimelineError};
use wayland_server::Resource;
use wayland_server::protocol::wl_callback::WlCallback;

use super::Buffer;

/// A point on a timeline.
#[derive(Debug, Clone)]
pub struct SyncPoint {
    /// The timeline.
    pub timeline: Arc<Timeline>,
    /// Where on it.
    pub value: u64,
}

impl SyncPoint {
    /// Whether the other lies on the same timeline, and not after it.
    ///
    /// A timeline that was imported twice counts as two: the kernel does not tell.
    pub fn is_at_or_after(&self, other: &SyncPoint) -> bool {
        Arc::ptr_eq(&self.timeline, &other.timeline) && self.value >= other.value
    }

    /// What to wait for until it is signalled: a file that becomes readable; `None` if it is already.
    pub(crate) fn wait(&self) -> Result<Option<OwnedFd>, TimelineError> {
        if self.timeline.reached()? >= self.value {
            return Ok(None);
        }
        self.timeline.notice(self.value).map(Some)
    }

    /// Signals it once nobody uses `buffer` any more: a device of the host's may still read what we are done with. Where that
    /// cannot be waited for it is signalled at once, because its client would wait for ever.
    fn signal_after(&self, buffer: &Buffer) -> Result<(), TimelineError> {
        let fences = buffer.dmabuf().map(|image| image.fences(Access::Write)).unwrap_or_default();
        self.timeline.signal_after(self.value, &fences).or_else(|error| {
            tracing::warn!("a release point does not wait for the buffer's fences: {error}");
            self.timeline.signal(self.value)
        })
    }
}

/// Who is to be told that one use of a buffer is over.
#[derive(Debug, Clone)]
pub enum Release {
    /// Who asked by `wl_surface.get_release`.
    Callback(WlCallback),
    /// Who waits for a point: `wp_linux_drm_syncobj_surface_v1.set_release_point`.
    Point(SyncPoint),
}

impl Release {
    /// Whether anybody might still hear of it.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Release::Callback(callback) => callback.is_alive(),
            Release::Point(_) => true,
        }
    }

    /// Tells that the use of `buffer` is over.
    pub(super) fn tell(self, buffer: &Buffer) {
        match self {
            Release::Callback(callback) => callback.done(0),
            Release::Point(point) => {
                if let Err(error) = point.signal_after(buffer) {
                    tracing::warn!("a release point is not signalled: {error}");
                }
            }
        }
    }
}
