//! Timelines: synchronisation objects of the kernel's graphics drivers (`drm_syncobj`) whose points are signalled one after
//! the other.
//!
//! A dma-buf carries the fences of those who use it, and whoever comes later waits for them: that is implicit
//! synchronisation. With explicit synchronisation two processes share timelines beside the dma-buf and name, for each use of
//! it, the point at which its content is done and the point at which it is free again. A point is a number of 64 bits. It is
//! signalled by a process, or by the kernel after fences that were put on it, and not before all fences that were put on
//! earlier points have signalled.
//!
//! Timelines belong to the kernel and not to a driver, so any device that has them will do, whichever device draws. See
//! `drm/drm.h` (`DRM_IOCTL_SYNCOBJ_*`) and "DRM Sync Objects" in the kernel's documentation of drm-mm.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use drm::control::{Device as _, syncobj};
use drm::{Device as _, DriverCapability};
use rustix::event::{EventfdFlags, eventfd};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::dmabuf::is_signalled;

const DIRECTORY: &str = "/dev/dri";

/// A graphics device that has timelines.
#[derive(Debug)]
pub struct Device(File);

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Device {}
impl drm::control::Device for Device {}

/// `struct drm_syncobj_handle`, without the point that Linux 6.16 added.
#[repr(C)]
struct Handle {
    handle: u32,
    flags: u32,
    fd: i32,
    pad: u32,
}

const FD_TO_HANDLE: Opcode = opcode::read_write::<Handle>(b'd', 0xc2);
/// `DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE`.
const IMPORT_SYNC_FILE: u32 = 1;

impl Device {
    /// The first in `/dev/dri` that has timelines (`DRM_CAP_SYNCOBJ_TIMELINE`) and may be opened.
    ///
    /// # Errors
    ///
    /// [`TimelineError::NoDevice`].
    pub fn open() -> Result<Arc<Device>, TimelineError> {
        let entries = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
        // A card would make its first user the one who may show pictures on it.
        let nodes = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("renderD"));
        let open = |path| File::options().read(true).write(true).open(path).map(Device);
        let mut devices = nodes.filter_map(|entry| open(entry.path()).ok());
        let found = devices.find(|device| {
            device.get_driver_capability(DriverCapability::TimelineSyncObj).is_ok_and(|value| value == 1)
        });
        found.map(Arc::new).ok_or(TimelineError::NoDevice)
    }

    /// Whether [`Timeline::notice`] works: since Linux 6.6, but for those before 6.8 that never tell of a point when another
    /// came after it.
    pub fn can_notice(self: &Arc<Device>) -> bool {
        let told = || {
            let timeline = Timeline::new(self)?;
            timeline.signal(1)?;
            timeline.signal(2)?;
            timeline.notice(1)
        };
        told().is_ok_and(|fd| is_signalled(fd.as_fd()).unwrap_or(false))
    }
}

/// A timeline. It begins at 0.
#[derive(Debug)]
pub struct Timeline {
    device: Arc<Device>,
    handle: syncobj::Handle,
}

impl Timeline {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`]: `ENOMEM`.
    pub fn new(device: &Arc<Device>) -> Result<Timeline, TimelineError> {
        let handle = device.create_syncobj(false).map_err(refused("make"))?;
        Ok(Timeline { device: Arc::clone(device), handle })
    }

    /// One of another process, by an fd that may be anything.
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`]: `EINVAL` if it is something else.
    pub fn import(device: &Arc<Device>, fd: BorrowedFd<'_>) -> Result<Timeline, TimelineError> {
        let handle = device.fd_to_syncobj(fd, false).map_err(refused("import"))?;
        Ok(Timeline { device: Arc::clone(device), handle })
    }

    /// A file descriptor of it, to be passed on.
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`]: `EMFILE`.
    pub fn fd(&self) -> Result<OwnedFd, TimelineError> {
        self.device.syncobj_to_fd(self.handle, false).map_err(refused("share"))
    }

    /// Signals a point, and those before it that have no fences.
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`]: `ENOMEM`.
    pub fn signal(&self, point: u64) -> Result<(), TimelineError> {
        self.device.syncobj_timeline_signal(&[self.handle], &[point]).map_err(refused("signal"))
    }

    /// Has the kernel signal a point once all these fences have signalled, each a sync_file (see
    /// [`crate::dmabuf::DmaBuf::export_sync_file`]).
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`]: `EINVAL` if one is no sync_file; `ENOMEM`. Nothing was signalled then.
    pub fn signal_after<F: AsFd>(&self, point: u64, fences: &[F]) -> Result<(), TimelineError> {
        if fences.is_empty() {
            return self.signal(point);
        }
        // A point is not signalled before the fences on earlier ones are.
        let steps = Timeline::new(&self.device)?;
        let mut last = 0;
        for fence in fences {
            let binary = Timeline::new(&self.device)?;
            binary.hold(fence.as_fd())?;
            last += 1;
            binary.transfer(0, &steps, last)?;
        }
        steps.transfer(last, self, point)
    }

    /// Makes it a binary synchronisation object: signalled when this sync_file is.
    ///
    /// The drm crate asks for this with no handle, which no kernel takes.
    fn hold(&self, sync_file: BorrowedFd<'_>) -> Result<(), TimelineError> {
        let (handle, fd) = (u32::from(self.handle), sync_file.as_raw_fd());
        let mut arg = Handle { handle, flags: IMPORT_SYNC_FILE, fd, pad: 0 };
        // SAFETY: DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE reads and writes this structure.
        unsafe { ioctl(&*self.device, Updater::<FD_TO_HANDLE, Handle>::new(&mut arg)) }
            .map_err(refused("put a fence on"))
    }

    /// Makes a point of another timeline wait for one of this.
    fn transfer(&self, point: u64, to: &Timeline, at: u64) -> Result<(), TimelineError> {
        self.device
            .syncobj_timeline_transfer(self.handle, to.handle, point, at)
            .map_err(refused("put a fence on"))
    }

    /// The last point that has been signalled.
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`].
    pub fn reached(&self) -> Result<u64, TimelineError> {
        let mut points = [0];
        self.device.syncobj_timeline_query(&[self.handle], &mut points, false).map_err(refused("look at"))?;
        let [point] = points;
        Ok(point)
    }

    /// A file that becomes readable when a point is signalled, whether or not anybody has promised that yet.
    ///
    /// The kernel keeps it in mind as long as the timeline exists, here or in another process.
    ///
    /// # Errors
    ///
    /// [`TimelineError::Refused`]: `EMFILE`; `ENOTTY` or `EINVAL` before Linux 6.6.
    pub fn notice(&self, point: u64) -> Result<OwnedFd, TimelineError> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(refused("wait for"))?;
        self.device.syncobj_eventfd(self.handle, point, fd.as_fd(), false).map_err(refused("wait for"))?;
        Ok(fd)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        let _ = self.device.destroy_syncobj(self.handle);
    }
}

/// Why there is no timeline, or why it did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// No driver has them, or none may be opened.
    #[error("no driver in {DIRECTORY} has timelines (DRM_CAP_SYNCOBJ_TIMELINE)")]
    NoDevice,
    /// The kernel said no.
    #[error("cannot {attempt} a timeline")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

fn refused<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> TimelineError {
    move |error| TimelineError::Refused { attempt, source: error.into() }
}
