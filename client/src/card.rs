//! Memory from a graphics device: dumb buffers of its kernel driver, and buffers of GBM.
//!
//! Both are made linear, and exported with the right to write (`DRM_RDWR`) through the device: the descriptor that GBM itself
//! gives may be read-only, and then so is every later one of that buffer. A dma-buf keeps its memory alive, so the
//! handles are given back at once.
//!
//! See `drm-memory(7)`. This is the client's one module that speaks to a C library.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use drm::Device as _;
use drm::buffer::Buffer as _;
use drm::control::Device as _;
use drm::node::{DrmNode, NodeType};
use gbm::BufferObjectFlags;
use rustix::io::Errno;
use shm_core::dmabuf::{DmaBuf, DmaBufError};

use crate::format::Format;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// `DRM_IOCTL_MODE_CREATE_DUMB`.
    Dumb,
    /// `gbm_bo_create`.
    Gbm,
}

/// An open device node.
#[derive(Debug)]
struct Node(File);

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Node {}
impl drm::control::Device for Node {}

/// A device that gives memory.
#[derive(Debug)]
pub struct Card {
    path: PathBuf,
    maker: Opened,
}

#[derive(Debug)]
enum Opened {
    Dumb(Node),
    Gbm(gbm::Device<Node>),
}

/// Memory as a card gives it.
#[derive(Debug)]
pub struct Linear {
    pub buffer: DmaBuf,
    /// Bytes from one row to the next.
    pub stride: u32,
}

impl Card {
    /// Opens the device at `path`; without one, the first that gives memory: the compositor's (`main_device`), then those in
    /// `/dev/dri`.
    pub fn open(maker: Maker, path: Option<&Path>, main_device: Option<u64>) -> Result<Card, CardError> {
        if let Some(path) = path {
            return Card::at(maker, path.to_owned());
        }
        let mut first = None;
        for path in candidates(maker, main_device) {
            // A node that opens may still give nothing, as a render node does without a GPU behind it.
            let tried =
                Card::at(maker, path).and_then(|card| card.allocate(Format::Xrgb8888, 64, 64).map(|_| card));
            match tried {
                Ok(card) => return Ok(card),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no memory there");
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(CardError::None))
    }

    fn at(maker: Maker, path: PathBuf) -> Result<Card, CardError> {
        let node = match File::options().read(true).write(true).open(&path) {
            Ok(file) => Node(file),
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(CardError::Forbidden { path });
            }
            Err(source) => return Err(CardError::Open { path, source }),
        };
        // GBM takes anything at first.
        if let Err(source) = node.get_driver() {
            return Err(CardError::Open { path, source });
        }
        // Who opens a card first may become its master, and then no compositor can show anything on it.
        let _ = node.release_master_lock();
        let maker = match maker {
            Maker::Dumb => Opened::Dumb(node),
            Maker::Gbm => match gbm::Device::new(node) {
                Ok(device) => Opened::Gbm(device),
                Err(source) => return Err(CardError::Gbm { path, source }),
            },
        };
        Ok(Card { path, maker })
    }

    /// Memory for `rows` rows of `words` words of 4 bytes: drivers that make no other pixels are many. `format` is what GBM is
    /// told, if its pixels are such words.
    pub fn allocate(&self, format: Format, words: u32, rows: u32) -> Result<Linear, CardError> {
        let path = || self.path.clone();
        let allocate = |source: io::Error| match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSYS | Errno::OPNOTSUPP) => CardError::NoDumb { path: path() },
            _ => CardError::Allocate { path: path(), words, rows, source },
        };
        let export = |source| CardError::Export { path: path(), source };
        let (fd, stride) = match &self.maker {
            Opened::Dumb(node) => {
                let dumb =
                    node.create_dumb_buffer((words, rows), gbm::Format::Xrgb8888, 32).map_err(allocate)?;
                let stride = dumb.pitch();
                let fd = export_writable(node, dumb.handle());
                node.destroy_dumb_buffer(dumb).map_err(export)?;
                (fd.map_err(export)?, stride)
            }
            Opened::Gbm(device) => {
                let format = if format.bytes_per_pixel() == 4 { format } else { Format::Xrgb8888 };
                let code = gbm::Format::try_from(format.drm()).unwrap_or(gbm::Format::Xrgb8888);
                let bo = device
                    .create_buffer_object::<()>(words, rows, code, BufferObjectFlags::LINEAR)
                    .map_err(allocate)?;
                let fd = match drm::control::from_u32(handle(&bo)) {
                    Some(handle) => export_writable(device, handle),
                    None => Err(io::ErrorKind::InvalidData.into()),
                };
                (fd.map_err(export)?, bo.stride())
            }
        };
        let buffer = DmaBuf::new(fd).map_err(|source| CardError::DmaBuf { path: path(), source })?;
        Ok(Linear { buffer, stride })
    }
}

fn export_writable(node: &Node, handle: drm::buffer::Handle) -> io::Result<OwnedFd> {
    node.buffer_to_prime_fd(handle, drm::CLOEXEC | drm::RDWR)
}

/// The kernel's handle of a buffer object, which goes with it.
#[allow(unsafe_code)]
fn handle(bo: &gbm::BufferObject<()>) -> u32 {
    // SAFETY: all of the union is initialised, and any bits are a u32. On a device of DRM, and `Card::at` lets pass no other, it
    // is this member that GBM fills in (gbm.h).
    unsafe { bo.handle().u32_ }
}

/// Where to look for a device, the best first.
fn candidates(maker: Maker, main_device: Option<u64>) -> Vec<PathBuf> {
    let main = main_device.and_then(|device| DrmNode::from_dev_id(device).ok());
    let kinds: &[NodeType] = match maker {
        Maker::Dumb => &[NodeType::Primary],
        Maker::Gbm => &[NodeType::Render, NodeType::Primary],
    };
    let mut paths: Vec<PathBuf> =
        main.iter().flat_map(|node| kinds.iter().filter_map(|kind| node.dev_path_with_type(*kind))).collect();
    let entries = std::fs::read_dir("/dev/dri").into_iter().flatten();
    let mut cards: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("card")))
        .collect();
    cards.sort();
    paths.extend(cards);
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

/// Why a device gives no memory.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// There is none.
    #[error("no graphics device: /dev/dri has no card (load a driver such as vgem, or use udmabuf or shm)")]
    None,
    /// We may not.
    #[error("{} may not be opened: join the group that owns it (video or render, as a rule)", path.display())]
    Forbidden {
        /// Its node.
        path: PathBuf,
    },
    /// It could not be opened, or is no such device.
    #[error("cannot use {} as a graphics device", path.display())]
    Open {
        /// Its node.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has none.
    #[error("the driver of {} makes no dumb buffers: try gbm, or another --device", path.display())]
    NoDumb {
        /// Its node.
        path: PathBuf,
    },
    /// GBM has no driver for it.
    #[error("GBM cannot use {}: try dumb, or another --device", path.display())]
    Gbm {
        /// Its node.
        path: PathBuf,
        /// What the library said.
        source: io::Error,
    },
    /// There is no memory of this size or format.
    #[error("{} gives no linear memory for {rows} rows of {words} words", path.display())]
    Allocate {
        /// Its node.
        path: PathBuf,
        /// Words of 4 bytes in a row.
        words: u32,
        /// How many rows.
        rows: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The memory is not to be shared.
    #[error("{} gives no dma-buf of its memory", path.display())]
    Export {
        /// Its node.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What it gave is no dma-buf.
    #[error("what {} gave cannot be used", path.display())]
    DmaBuf {
        /// Its node.
        path: PathBuf,
        /// Why not.
        source: DmaBufError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_graphics_device_is_refused_with_its_path() {
        let open =
            |maker, path: &str| Card::open(maker, Some(Path::new(path)), None).unwrap_err().to_string();
        assert_eq!(open(Maker::Dumb, "/dev/null"), "cannot use /dev/null as a graphics device");
        assert_eq!(
            open(Maker::Gbm, "/nonexistent/card0"),
            "cannot use /nonexistent/card0 as a graphics device"
        );
        assert_eq!(open(Maker::Gbm, "/dev/null"), "cannot use /dev/null as a graphics device");
    }
}
