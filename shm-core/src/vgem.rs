//! Fences that a program holds in its hand: those of vgem, a driver that has memory and no card.
//!
//! A fence says that somebody is not done with a dma-buf yet. It is a driver's, which signals it when its device is done, so
//! whoever wants to see what others do while one is out has no other way than vgem: it makes a fence for anybody who asks, and
//! signals it when it is told to. No fence may stay out for ever, so the kernel signals it after 10 s ([`LASTS`]), and when
//! the device is closed.
//!
//! See `drm/vgem_drm.h`, and `drivers/gpu/drm/vgem/vgem_fence.c`.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};

use crate::dmabuf::{Access, DmaBuf, DmaBufError};

const DIRECTORY: &str = "/dev/dri";
const DRIVER: &[u8] = b"vgem";

/// How long a fence may be out.
pub const LASTS: Duration = Duration::from_secs(10);

/// vgem's device, opened.
#[derive(Debug)]
pub struct Vgem {
    device: Arc<File>,
}

/// A fence that is out until it is signalled, or [`LASTS`] has passed. Dropping it signals it.
#[derive(Debug)]
pub struct Fence {
    device: Arc<File>,
    number: u32,
    sync_file: OwnedFd,
}

/// `struct drm_version`.
#[repr(C)]
struct Version {
    numbers: [i32; 3],
    name_len: usize,
    name: *mut u8,
    /// Date and description, each with its length; none is asked for.
    rest: [usize; 4],
}

/// `struct drm_mode_create_dumb`.
#[repr(C)]
#[derive(Default)]
struct Dumb {
    height: u32,
    width: u32,
    bits: u32,
    flags: u32,
    handle: u32,
    pitch: u32,
    size: u64,
}

/// `struct drm_prime_handle`.
#[repr(C)]
struct Prime {
    handle: u32,
    flags: u32,
    fd: i32,
}

/// `struct drm_vgem_fence_attach`.
#[repr(C)]
struct Attach {
    handle: u32,
    flags: u32,
    fence: u32,
    pad: u32,
}

/// `struct drm_vgem_fence_signal`.
#[repr(C)]
struct Signal {
    fence: u32,
    flags: u32,
}

const VERSION: Opcode = opcode::read_write::<Version>(b'd', 0x00);
const HANDLE_TO_FD: Opcode = opcode::read_write::<Prime>(b'd', 0x2d);
const CREATE_DUMB: Opcode = opcode::read_write::<Dumb>(b'd', 0xb2);
/// Its structure is the handle and no more.
const DESTROY_DUMB: Opcode = opcode::read_write::<u32>(b'd', 0xb4);
const ATTACH: Opcode = opcode::read_write::<Attach>(b'd', 0x41);
const SIGNAL: Opcode = opcode::write::<Signal>(b'd', 0x42);
/// `VGEM_FENCE_WRITE`: of somebody who writes.
const WRITES: u32 = 1;

impl Vgem {
    /// Opens it, wherever it is among the devices in `/dev/dri`.
    ///
    /// # Errors
    ///
    /// [`VgemError::None`], [`VgemError::Open`].
    pub fn open() -> Result<Vgem, VgemError> {
        let entries = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
        // Memory is only given by a card, not by its render node.
        let cards = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("card"));
        let mut forbidden = None;
        for path in cards.map(|entry| entry.path()) {
            match File::options().read(true).write(true).open(&path) {
                Ok(device) if driver(&device).is_ok_and(|name| name == DRIVER) => {
                    return Ok(Vgem { device: Arc::new(device) });
                }
                Ok(_) => {}
                Err(source) if is_vgem(&path) => forbidden = Some(VgemError::Open { path, source }),
                Err(_) => {}
            }
        }
        Err(forbidden.unwrap_or(VgemError::None))
    }

    /// A fence that is out from now on, of somebody who writes.
    ///
    /// # Errors
    ///
    /// [`VgemError::Buffer`], [`VgemError::Attach`], [`VgemError::DmaBuf`].
    pub fn fence(&self) -> Result<Fence, VgemError> {
        let buffer = |source: rustix::io::Errno| VgemError::Buffer { source: source.into() };
        // Each has a buffer of its own, which it outlives: vgem takes no second fence for one.
        let mut dumb = Dumb { height: 1, width: 1, bits: 32, ..Dumb::default() };
        // SAFETY: DRM_IOCTL_MODE_CREATE_DUMB reads and writes this structure.
        unsafe { ioctl(&*self.device, Updater::<CREATE_DUMB, Dumb>::new(&mut dumb)) }.map_err(buffer)?;
        let fence = self.fence_on(dumb.handle);
        // SAFETY: DRM_IOCTL_MODE_DESTROY_DUMB reads a structure of one 32-bit number.
        unsafe { ioctl(&*self.device, Updater::<DESTROY_DUMB, u32>::new(&mut dumb.handle)) }
            .map_err(buffer)?;
        fence
    }

    fn fence_on(&self, handle: u32) -> Result<Fence, VgemError> {
        let mut prime = Prime { handle, flags: (OFlags::RDWR | OFlags::CLOEXEC).bits(), fd: -1 };
        // SAFETY: DRM_IOCTL_PRIME_HANDLE_TO_FD reads and writes this structure.
        unsafe { ioctl(&*self.device, Updater::<HANDLE_TO_FD, Prime>::new(&mut prime)) }
            .map_err(|source| VgemError::Buffer { source: source.into() })?;
        // SAFETY: the kernel has just opened it for us, and nobody else knows its number.
        let buffer = DmaBuf::known(unsafe { OwnedFd::from_raw_fd(prime.fd) }, "vgem")?;
        let mut attach = Attach { handle, flags: WRITES, fence: 0, pad: 0 };
        // SAFETY: the device is vgem's (see `open`), whose DRM_IOCTL_VGEM_FENCE_ATTACH reads and writes this structure.
        unsafe { ioctl(&*self.device, Updater::<ATTACH, Attach>::new(&mut attach)) }
            .map_err(|source| VgemError::Attach { source: source.into() })?;
        let sync_file = buffer.export_sync_file(Access::Read)?;
        Ok(Fence { device: Arc::clone(&self.device), number: attach.fence, sync_file })
    }
}

impl Fence {
    /// It as a sync_file, for [`DmaBuf::import_sync_file`] and [`crate::dmabuf::is_signalled`].
    pub fn sync_file(&self) -> BorrowedFd<'_> {
        self.sync_file.as_fd()
    }

    /// Signals it; whether it was out until then.
    pub fn signal(self) -> bool {
        self.end()
    }

    fn end(&self) -> bool {
        let signal = Signal { fence: self.number, flags: 0 };
        // SAFETY: the device is vgem's (see `Vgem::open`), whose DRM_IOCTL_VGEM_FENCE_SIGNAL reads this structure.
        // ETIMEDOUT: the kernel was first.
        unsafe { ioctl(&*self.device, Setter::<SIGNAL, Signal>::new(signal)) }.is_ok()
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        // A second time says ENOENT, and does nothing.
        self.end();
    }
}

/// The name of a device's driver; `ENOTTY` if it is no graphics device.
fn driver(device: &File) -> io::Result<Vec<u8>> {
    let mut name = [0; 16];
    let mut version =
        Version { numbers: [0; 3], name_len: name.len(), name: name.as_mut_ptr(), rest: [0; 4] };
    // SAFETY: DRM_IOCTL_VERSION reads and writes this structure, and writes at most `name_len` bytes to `name`. Nothing else of
    // the structure points anywhere.
    unsafe { ioctl(device, Updater::<VERSION, Version>::new(&mut version)) }?;
    // It tells the length of the whole name, whether that fitted in or not.
    Ok(name.get(..version.name_len).unwrap_or(&name).to_vec())
}

/// The same, of a device that cannot be opened, by sysfs.
fn is_vgem(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let link = fs::read_link(Path::new("/sys/class/drm").join(name).join("device"));
    link.is_ok_and(|link| link.ends_with("vgem"))
}

/// Why there is no fence.
#[derive(Debug, thiserror::Error)]
pub enum VgemError {
    /// The driver is not there.
    #[error("no vgem in {DIRECTORY}: load the kernel's module of that name")]
    None,
    /// Its device cannot be opened.
    #[error("cannot open {}, vgem's device", .path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It gives no buffer to put a fence on.
    #[error("vgem gives no buffer")]
    Buffer {
        /// What the kernel said.
        source: io::Error,
    },
    /// It makes no fence.
    #[error("vgem makes no fence")]
    Attach {
        /// What the kernel said.
        source: io::Error,
    },
    /// The fence cannot be had as a file.
    #[error(transparent)]
    DmaBuf(#[from] DmaBufError),
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;

    #[test]
    fn what_is_no_graphics_device_has_no_driver() {
        assert!(driver(&File::open("/dev/null").unwrap()).is_err());
    }
}
