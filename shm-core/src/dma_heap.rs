//! Dma-heaps: memory for devices, straight from the kernel, with no driver of a device.
//!
//! Each heap is a file in `/dev/dma_heap`; `system` gives ordinary pages and is there wherever the kernel has heaps. See
//! "Allocating dma-buf using heaps" in the kernel's documentation, and `linux/dma-heap.h`.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::dmabuf::{DmaBuf, DmaBufError};

const DIRECTORY: &str = "/dev/dma_heap";

/// An open dma-heap.
#[derive(Debug)]
pub struct DmaHeap {
    name: String,
    file: File,
}

/// `struct dma_heap_allocation_data`.
#[repr(C)]
struct Allocation {
    len: u64,
    fd: u32,
    fd_flags: u32,
    heap_flags: u64,
}

const ALLOC: Opcode = opcode::read_write::<Allocation>(b'H', 0);

impl DmaHeap {
    /// The names of the heaps of this machine, sorted; none where there are no heaps.
    pub fn list() -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(DIRECTORY) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Opens the heap of this name, as [`DmaHeap::list`] has it.
    ///
    /// # Errors
    ///
    /// [`DmaHeapError::None`], [`DmaHeapError::NoSuch`], [`DmaHeapError::Forbidden`], [`DmaHeapError::Open`].
    pub fn open(name: &str) -> Result<DmaHeap, DmaHeapError> {
        let no_such = |heaps| DmaHeapError::NoSuch { name: name.to_owned(), heaps };
        // A name, not a way out of the directory.
        if name.is_empty() || name == ".." || name == "." || name.contains('/') {
            return Err(no_such(DmaHeap::list()));
        }
        let path = Path::new(DIRECTORY).join(name);
        match File::open(&path) {
            Ok(file) => Ok(DmaHeap { name: name.to_owned(), file }),
            Err(source) => Err(match (source.kind(), DmaHeap::list()) {
                (io::ErrorKind::NotFound, heaps) if heaps.is_empty() => DmaHeapError::None,
                (io::ErrorKind::NotFound, heaps) => no_such(heaps),
                (io::ErrorKind::PermissionDenied, _) => DmaHeapError::Forbidden { path },
                _ => DmaHeapError::Open { path, source },
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a dma-buf of at least `len` bytes, zeroed; the kernel rounds up to whole pages.
    ///
    /// # Errors
    ///
    /// [`DmaHeapError::TooMuch`], [`DmaHeapError::Allocate`] (`EINVAL` for 0 bytes, `ENOMEM`), [`DmaHeapError::DmaBuf`].
    pub fn allocate(&self, len: u64) -> Result<DmaBuf, DmaHeapError> {
        // The kernel (6.12) would take all memory there is before it noticed, and kill programs to get more.
        match memory() {
            Some(memory) if len > memory => return Err(DmaHeapError::TooMuch { len, memory }),
            _ => {}
        }
        let mut arg =
            Allocation { len, fd: 0, fd_flags: (OFlags::RDWR | OFlags::CLOEXEC).bits(), heap_flags: 0 };
        // SAFETY: DMA_HEAP_IOCTL_ALLOC reads and writes this structure.
        unsafe { ioctl(&self.file, Updater::<ALLOC, Allocation>::new(&mut arg)) }
            .map_err(|e| DmaHeapError::Allocate { len, name: self.name.clone(), source: e.into() })?;
        // SAFETY: the kernel has just opened it for us, and nobody else knows its number.
        let fd = unsafe { OwnedFd::from_raw_fd(arg.fd.cast_signed() as RawFd) };
        Ok(DmaBuf::known(fd, &self.name)?)
    }
}

/// How much memory this machine has, in bytes.
fn memory() -> Option<u64> {
    // SAFETY: no pointers.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    u64::try_from(pages).ok().filter(|pages| *pages > 0)?.checked_mul(rustix::param::page_size() as u64)
}

/// Why a dma-heap gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum DmaHeapError {
    /// There are no heaps.
    #[error("no /dev/dma_heap: this kernel has no dma-heaps (CONFIG_DMABUF_HEAPS_SYSTEM)")]
    None,
    /// There are others.
    #[error("no dma-heap `{name}`; this machine has: {}", .heaps.join(", "))]
    NoSuch {
        /// The name asked for.
        name: String,
        /// The names there are.
        heaps: Vec<String>,
    },
    /// We may not.
    #[error(
        "{} may not be opened: become a member of its group, or let a udev rule give it to yours",
        .path.display()
    )]
    Forbidden {
        /// Its path.
        path: PathBuf,
    },
    /// Opening it failed in another way.
    #[error("cannot open {}", .path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is more than all memory of this machine.
    #[error("{len} bytes are more than all of this machine's memory, {memory} bytes")]
    TooMuch {
        /// The size asked for, in bytes.
        len: u64,
        /// What there is, in bytes.
        memory: u64,
    },
    /// There is no memory.
    #[error("the dma-heap `{name}` gives no {len} bytes")]
    Allocate {
        /// The name of the heap.
        name: String,
        /// The size asked for, in bytes.
        len: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// There was memory, but it could not be used.
    #[error(transparent)]
    DmaBuf(#[from] DmaBufError),
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["", ".", "..", "../null", "/dev/null"] {
            let error = DmaHeap::open(name).unwrap_err();
            assert!(matches!(error, DmaHeapError::NoSuch { .. }), "{name}: {error:?}");
        }
    }

    #[test]
    fn the_memory_of_this_machine_is_what_proc_says() {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
        let kilobytes: u64 = total.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        assert_eq!(memory(), Some(kilobytes * 1024));
    }
}
