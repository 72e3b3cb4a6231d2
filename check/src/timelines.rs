//! Explicit synchronisation: timelines of the kernel's, and a window whose commits come with points on them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use drm::control::{Device as _, syncobj};
use drm::{Device as _, DriverCapability};
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_manager_v1::WpLinuxDrmSyncobjManagerV1;
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::{
    Error, WpLinuxDrmSyncobjSurfaceV1,
};
use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_timeline_v1::WpLinuxDrmSyncobjTimelineV1;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::WlCallback;

use crate::case::Stop;
use crate::client::Client;
use crate::dmabufs::Dmabufs;
use crate::expect::Refusal;
use crate::memory::cannot;
use crate::session::Session;
use crate::window::Window;

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

impl Device {
    /// The first that has timelines. It does not matter which: they are the kernel's, not the driver's.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    pub fn open() -> io::Result<Arc<Device>> {
        let entries = fs::read_dir(DIRECTORY)?.flatten();
        // A card would make its first user the one who may show pictures on it.
        let nodes = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("renderD"));
        let open = |path| File::options().read(true).write(true).open(path).map(Device);
        let mut devices = nodes.filter_map(|entry| open(entry.path()).ok());
        let found = devices.find(|device| {
            device.get_driver_capability(DriverCapability::TimelineSyncObj).is_ok_and(|value| value == 1)
        });
        found.map(Arc::new).ok_or_else(|| {
            let none = format!("no driver in {DIRECTORY} has timelines (DRM_CAP_SYNCOBJ_TIMELINE)");
            io::Error::new(io::ErrorKind::NotFound, none)
        })
    }
}

/// A timeline: a synchronisation object (syncobj) of the kernel's, whose points are signalled one after the other. It begins at 0.
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
    /// What the kernel says.
    pub fn new(device: &Arc<Device>) -> io::Result<Timeline> {
        let handle = device.create_syncobj(false)?;
        Ok(Timeline { device: Arc::clone(device), handle })
    }

    /// One of another process.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EINVAL` if it is something else.
    pub fn import(device: &Arc<Device>, fd: BorrowedFd<'_>) -> io::Result<Timeline> {
        let handle = device.fd_to_syncobj(fd, false)?;
        Ok(Timeline { device: Arc::clone(device), handle })
    }

    /// A file descriptor of it, to be passed on.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn fd(&self) -> io::Result<OwnedFd> {
        self.device.syncobj_to_fd(self.handle, false)
    }

    /// Signals a point, and all before it.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn signal(&self, point: u64) -> io::Result<()> {
        self.device.syncobj_timeline_signal(&[self.handle], &[point])
    }

    /// The last point that has been signalled.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn reached(&self) -> io::Result<u64> {
        let mut points = [0];
        self.device.syncobj_timeline_query(&[self.handle], &mut points, false)?;
        let [point] = points;
        Ok(point)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        let _ = self.device.destroy_syncobj(self.handle);
    }
}

/// A timeline that the compositor knows, too.
#[derive(Debug)]
pub struct Shared {
    /// Ours.
    pub timeline: Timeline,
    /// The compositor's.
    pub object: WpLinuxDrmSyncobjTimelineV1,
}

/// A client with a window whose commits are explicitly synchronised.
pub struct Explicit {
    /// The client, which has dma-bufs.
    pub dmabufs: Dmabufs,
    /// The global.
    pub manager: WpLinuxDrmSyncobjManagerV1,
    /// Its window, which has shown nothing yet.
    pub window: Window,
    /// Where the points are set.
    pub surface: WpLinuxDrmSyncobjSurfaceV1,
    /// For acquire points.
    pub acquire: Shared,
    /// For release points.
    pub release: Shared,
}

/// An error of the surface's extension.
pub fn refusal(error: Error) -> Refusal {
    Refusal::new(&["wp_linux_drm_syncobj_surface_v1"], error)
}

impl Session {
    /// A client with `wp_linux_drm_syncobj_manager_v1`.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if that is not offered.
    pub fn syncobjs(&self) -> Result<(Client, WpLinuxDrmSyncobjManagerV1), Stop> {
        let mut client = self.connect()?;
        let manager = client.bind(1)?;
        Ok((client, manager))
    }

    /// A client with a window whose commits are explicitly synchronised.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the compositor does not offer that, or the kernel has no timelines.
    pub fn explicit(&self) -> Result<Explicit, Stop> {
        let (mut client, manager) = self.syncobjs()?;
        let global = client.bind_from(3, 5)?;
        let device = Device::open().map_err(cannot("make a timeline"))?;
        let mut shared = || -> Result<Shared, Stop> {
            let timeline = Timeline::new(&device).map_err(cannot("make a timeline"))?;
            let fd = timeline.fd().map_err(cannot("share a timeline"))?;
            let object = client.note(manager.import_timeline(fd.as_fd(), &client.qh(), ()));
            Ok(Shared { timeline, object })
        };
        let (acquire, release) = (shared()?, shared()?);
        let window = client.window()?;
        let surface = client.note(manager.get_surface(&window.surface, &client.qh(), ()));
        client.roundtrip()?;
        let dmabufs = Dmabufs { client, global };
        Ok(Explicit { dmabufs, manager, window, surface, acquire, release })
    }
}

impl Explicit {
    /// Sets the acquire point of the next commit.
    pub fn acquire_at(&self, point: u64) {
        self.surface.set_acquire_point(&self.acquire.object, (point >> 32) as u32, point as u32);
    }

    /// Sets the release point of the next commit.
    pub fn release_at(&self, point: u64) {
        self.surface.set_release_point(&self.release.object, (point >> 32) as u32, point as u32);
    }

    /// Commits a buffer with this point of both timelines, and gives the frame callback.
    pub fn submit(&mut self, buffer: &WlBuffer, point: u64) -> WlCallback {
        self.acquire_at(point);
        self.release_at(point);
        self.dmabufs.client.submit(&self.window.surface, buffer)
    }

    /// Says that the picture is drawn which was committed with this acquire point.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the kernel does not do it.
    pub fn draw_until(&self, point: u64) -> Result<(), Stop> {
        self.acquire.timeline.signal(point).map_err(cannot("signal a timeline"))
    }

    /// [`Explicit::submit`] of a picture that is drawn already; waits for the frame callback.
    ///
    /// # Errors
    ///
    /// As [`Client::wait_for`].
    pub fn present(&mut self, buffer: &WlBuffer, point: u64) -> Result<(), Stop> {
        self.draw_until(point)?;
        let frame = self.submit(buffer, point);
        self.dmabufs.client.wait_for(&frame, 1)
    }

    /// Presents a buffer of one colour until it is to be seen on the output, as far as anybody can look (see
    /// [`Client::must_see`]); gives the last point.
    ///
    /// # Errors
    ///
    /// As [`Client::must_see`].
    pub fn must_see(&mut self, buffer: &WlBuffer, colour: u32) -> Result<u64, Stop> {
        let deadline = Instant::now() + self.dmabufs.client.patience();
        let mut point = 0;
        loop {
            point += 1;
            self.present(buffer, point)?;
            match self.dmabufs.client.look()? {
                Some(picture) if picture.count(colour) == 0 => {}
                _ => return Ok(point),
            }
            if Instant::now() > deadline {
                return Err(Stop::fail("the window's pixels on the output", "others"));
            }
        }
    }

    /// The last release point that the compositor has signalled.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the kernel does not say it.
    pub fn released(&self) -> Result<u64, Stop> {
        self.release.timeline.reached().map_err(cannot("look at a timeline"))
    }

    /// Waits until a release point has been signalled.
    ///
    /// # Errors
    ///
    /// As [`Client::wait`].
    pub fn wait_for_release(&mut self, point: u64) -> Result<(), Stop> {
        let timeline = &self.release.timeline;
        let reached = |_: &_| timeline.reached().is_ok_and(|reached| reached >= point);
        self.dmabufs.client.wait("the release point to be signalled", reached)
    }
}
