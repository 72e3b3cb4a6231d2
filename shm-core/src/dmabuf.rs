//! Dma-bufs: memory that a driver has given out as a file, and that other drivers can use as it is.
//!
//! A dma-buf never changes its size and never loses a page, so no seal is needed. What takes its place is *whose turn it
//! is*: caches may have to be flushed before and after the CPU looks at it (`DMA_BUF_IOCTL_SYNC`), and a device may still be
//! drawing. So nothing here is read or written but between the two calls of that ioctl, in [`DmaBufMapping::read`] and
//! [`DmaBufMappingMut::write`], and under the [guard].
//!
//! The first of the two waits for the fences in the buffer, as long as they take, and those are somebody else's. A program
//! that must not wait asks [`DmaBuf::is_idle`] before, or waits in its own loop for what [`DmaBuf::export_sync_file`] gives
//! (see [`is_signalled`]). A fence that its owner adds between the question and the reading is waited for all the same.
//!
//! See "Buffer Sharing and Synchronization (dma-buf)" in the kernel's driver API documentation, and `linux/dma-buf.h`.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};

use crate::guard::{self, Fault};
use crate::pages::Pages;
use crate::verdict::{self, Kind};

/// A dma-buf: one file descriptor, known to be one. A picture in several planes may have several.
///
/// A clone shares the descriptor.
#[derive(Clone, Debug)]
pub struct DmaBuf {
    fd: Arc<OwnedFd>,
    exporter: Arc<str>,
    size: u64,
}

/// What one is going to do with a dma-buf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read it: waits for those who write.
    Read,
    /// Write it: waits for those who read and for those who write.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// `DMA_BUF_SYNC_READ`, `DMA_BUF_SYNC_WRITE`.
    const fn flags(self) -> u32 {
        match self {
            Access::Read => 1,
            Access::Write => 2,
            Access::ReadWrite => 3,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::ReadWrite => "read and write",
        })
    }
}

impl DmaBuf {
    /// Takes an fd that may be anything, if it is a dma-buf.
    ///
    /// Never waits for another process: what it is comes from the kernel alone (`exp_name` in `/proc/self/fdinfo`, which only
    /// dma-bufs have), and nothing is asked of the file before that is known. An fd that is refused
    /// is closed on another thread, as [`crate::closer`] does.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::Other`] with what it is instead, [`DmaBufError::Size`].
    pub fn new(fd: OwnedFd) -> Result<DmaBuf, DmaBufError> {
        match verdict::exporter(fd.as_fd()) {
            Ok(exporter) => DmaBuf::known(fd, &exporter),
            Err(kind) => {
                crate::closer::close_elsewhere(fd);
                Err(DmaBufError::Other { kind })
            }
        }
    }

    /// Takes an fd that a driver has just given us as a dma-buf.
    pub(crate) fn known(fd: OwnedFd, exporter: &str) -> Result<DmaBuf, DmaBufError> {
        let size =
            rustix::fs::seek(&fd, SeekFrom::End(0)).map_err(|e| DmaBufError::Size { source: e.into() })?;
        Ok(DmaBuf { fd: Arc::new(fd), exporter: exporter.into(), size })
    }

    /// The name of the driver that made it, such as `udmabuf`, `system` (a dma-heap) or `i915`.
    pub fn exporter(&self) -> &str {
        &self.exporter
    }

    /// Its size in bytes. It never changes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The descriptor, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The same dma-buf with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::Clone`]: `EMFILE`.
    pub fn try_clone(&self) -> Result<DmaBuf, DmaBufError> {
        let fd = self.fd.try_clone().map_err(|source| DmaBufError::Clone { source })?;
        Ok(DmaBuf { fd: Arc::new(fd), exporter: Arc::clone(&self.exporter), size: self.size })
    }

    /// Maps all of it for reading.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::Map`] if its driver refuses that (many do for memory on the device) or the kernel does,
    /// [`DmaBufError::Guard`].
    pub fn map(&self) -> Result<DmaBufMapping, DmaBufError> {
        Ok(DmaBufMapping { fd: Arc::clone(&self.fd), pages: self.pages(guard::Access::Read)? })
    }

    /// Maps all of it for reading and writing.
    ///
    /// # Errors
    ///
    /// As [`DmaBuf::map`]; also if the fd is read-only (`EACCES`).
    pub fn map_mut(&self) -> Result<DmaBufMappingMut, DmaBufError> {
        let pages = self.pages(guard::Access::Write)?;
        Ok(DmaBufMappingMut(DmaBufMapping { fd: Arc::clone(&self.fd), pages }))
    }

    fn pages(&self, access: guard::Access) -> Result<Pages, DmaBufError> {
        guard::install().map_err(|source| DmaBufError::Guard { source })?;
        Pages::map(self.fd(), self.size, access).map_err(|source| DmaBufError::Map {
            exporter: self.exporter.to_string(),
            size: self.size,
            source,
        })
    }

    /// What must be over before `access` may begin, as a sync_file: a file to wait for (see [`is_signalled`]), or to give
    /// to somebody who waits.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::Export`]: `EMFILE`, `ENOTTY` (Linux before 6.0).
    pub fn export_sync_file(&self, access: Access) -> Result<OwnedFd, DmaBufError> {
        let mut arg = SyncFile { flags: access.flags(), fd: -1 };
        retry(|| {
            // SAFETY: DMA_BUF_IOCTL_EXPORT_SYNC_FILE reads and writes this structure.
            unsafe { ioctl(self, Updater::<EXPORT, SyncFile>::new(&mut arg)) }
        })
        .map_err(|e| DmaBufError::Export { access, source: e.into() })?;
        // SAFETY: the kernel has just opened it for us (with O_CLOEXEC), and nobody else knows its number.
        Ok(unsafe { OwnedFd::from_raw_fd(arg.fd) })
    }

    /// Adds a sync_file to the buffer: whoever comes after has to wait for it, as for one who does `access`.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::Import`]: `EINVAL` (not a sync_file), `ENOTTY` (Linux before 6.0).
    pub fn import_sync_file(&self, sync_file: BorrowedFd<'_>, access: Access) -> Result<(), DmaBufError> {
        let (flags, fd) = (access.flags(), sync_file.as_raw_fd());
        // SAFETY: DMA_BUF_IOCTL_IMPORT_SYNC_FILE reads this structure.
        retry(|| unsafe { ioctl(self, Setter::<IMPORT, SyncFile>::new(SyncFile { flags, fd })) })
            .map_err(|e| DmaBufError::Import { access, source: e.into() })
    }

    /// Whether `access` could begin at once. Does not wait.
    ///
    /// Any other process that polls the same dma-buf can make this say no until the fences it waits for have signalled.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::Poll`].
    pub fn is_idle(&self, access: Access) -> Result<bool, DmaBufError> {
        let wanted = if access == Access::Read { PollFlags::IN } else { PollFlags::OUT };
        ready(self.fd(), wanted)
    }
}

impl AsFd for DmaBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// Whether a sync_file, or a notice of a timeline's (see [`crate::timeline`]), has signalled. Does not wait; to wait, poll the fd for `POLLIN`.
///
/// # Errors
///
/// [`DmaBufError::Poll`].
pub fn is_signalled(sync_file: BorrowedFd<'_>) -> Result<bool, DmaBufError> {
    ready(sync_file, PollFlags::IN)
}

/// Whether `poll` says at once that any of `wanted` is there.
fn ready(fd: BorrowedFd<'_>, wanted: PollFlags) -> Result<bool, DmaBufError> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::from_borrowed_fd(fd, wanted)];
    retry(|| poll(&mut asked, Some(&at_once))).map_err(|e| DmaBufError::Poll { source: e.into() })?;
    let found = asked[0].revents();
    if found.intersects(PollFlags::NVAL | PollFlags::ERR) {
        return Err(DmaBufError::Poll { source: Errno::INVAL.into() });
    }
    Ok(found.intersects(wanted))
}

/// `struct dma_buf_export_sync_file`, `struct dma_buf_import_sync_file`.
#[repr(C)]
struct SyncFile {
    flags: u32,
    fd: i32,
}

const SYNC: Opcode = opcode::write::<u64>(b'b', 0);
const EXPORT: Opcode = opcode::read_write::<SyncFile>(b'b', 2);
const IMPORT: Opcode = opcode::write::<SyncFile>(b'b', 3);
/// `DMA_BUF_SYNC_END`; `DMA_BUF_SYNC_START` is 0.
const END: u32 = 4;

/// Asks again as long as a signal gets in the way: the header says that one must.
fn retry<R>(mut ask: impl FnMut() -> Result<R, Errno>) -> Result<R, Errno> {
    loop {
        match ask() {
            Err(Errno::INTR | Errno::AGAIN) => {}
            other => return other,
        }
    }
}

/// Begins (or, with [`END`], ends) an access by the CPU.
fn sync(fd: BorrowedFd<'_>, access: Access, end: u32) -> Result<(), DmaBufError> {
    let flags = u64::from(access.flags() | end);
    // SAFETY: DMA_BUF_IOCTL_SYNC reads a structure of one 64-bit number.
    retry(|| unsafe { ioctl(fd, Setter::<SYNC, u64>::new(flags)) })
        .map_err(|e| DmaBufError::Sync { access, source: e.into() })
}

/// A dma-buf mapped for reading.
#[derive(Debug)]
pub struct DmaBufMapping {
    fd: Arc<OwnedFd>,
    pages: Pages,
}

/// A dma-buf mapped for reading and writing.
#[derive(Debug)]
pub struct DmaBufMappingMut(DmaBufMapping);

impl DmaBufMapping {
    /// The length in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// The first byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.pages.start()
    }

    /// The first fault that was caught in this mapping. Once there is one, nothing can be read any more.
    pub fn fault(&self) -> Option<Fault> {
        self.pages.fault()
    }

    /// Reads a range in place: `f` gets its address and length, and may read there until it returns.
    ///
    /// Waits for those who write (see the head of this module). As for [`crate::mapping::Mapping::read`], only raw reads are
    /// allowed, and what `f` returns is dropped if memory vanished.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::OutOfBounds`] (then `f` is not called), [`DmaBufError::Sync`], [`DmaBufError::Fault`].
    #[inline]
    pub fn read<R>(
        &self,
        range: Range<usize>,
        f: impl FnOnce(*const u8, usize) -> R,
    ) -> Result<R, DmaBufError> {
        self.access(Access::Read, range, |start, count| f(start, count))
    }

    /// Copies the bytes from `offset` on into `dst`, filling it.
    ///
    /// # Errors
    ///
    /// As [`DmaBufMapping::read`].
    pub fn copy_to(&self, offset: usize, dst: &mut [u8]) -> Result<(), DmaBufError> {
        self.read(offset..offset.saturating_add(dst.len()), |src, count| {
            // SAFETY: `read` gives `count` == dst.len() mapped bytes; `dst` is ours, so the two do not overlap.
            unsafe { ptr::copy_nonoverlapping(src, dst.as_mut_ptr(), count) };
        })
    }

    fn access<R>(
        &self,
        access: Access,
        range: Range<usize>,
        f: impl FnOnce(*mut u8, usize) -> R,
    ) -> Result<R, DmaBufError> {
        let out_of_bounds = DmaBufError::OutOfBounds { start: range.start, end: range.end, len: self.len() };
        let Some(count) = range.end.checked_sub(range.start) else { return Err(out_of_bounds) };
        if range.end > self.len() {
            return Err(out_of_bounds);
        }
        sync(self.fd.as_fd(), access, 0)?;
        let turn = Turn { fd: self.fd.as_fd(), access };
        let result = self.pages.run(range.start, count, |start| f(start, count));
        let ended = turn.end();
        match result {
            None => Err(out_of_bounds),
            Some(Err(Fault { offset })) => Err(DmaBufError::Fault { offset }),
            Some(Ok(result)) => ended.map(|()| result),
        }
    }
}

impl DmaBufMappingMut {
    /// The length in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The dma-buf's descriptor, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }

    /// The same pages, for reading.
    pub fn as_read(&self) -> &DmaBufMapping {
        &self.0
    }

    /// Writes (and reads) a range in place: `f` gets its address and length, and may use it until it returns.
    ///
    /// Waits for those who read and those who write. Raw accesses only.
    ///
    /// # Errors
    ///
    /// As [`DmaBufMapping::read`].
    #[inline]
    pub fn write<R>(
        &mut self,
        range: Range<usize>,
        f: impl FnOnce(*mut u8, usize) -> R,
    ) -> Result<R, DmaBufError> {
        self.0.access(Access::ReadWrite, range, f)
    }

    /// Writes `src` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`DmaBufMapping::read`].
    pub fn write_at(&mut self, offset: usize, src: &[u8]) -> Result<(), DmaBufError> {
        self.write(offset..offset.saturating_add(src.len()), |dst, count| {
            // SAFETY: `write` gives `count` == src.len() mapped bytes, and no reference points into them.
            unsafe { ptr::copy_nonoverlapping(src.as_ptr(), dst, count) };
        })
    }

    /// Gives the address to `f` for one turn, in which others of this process may have theirs.
    pub(crate) fn turn_shared<R>(&self, f: impl FnOnce(*mut u8) -> R) -> Result<R, DmaBufError> {
        self.0.access(Access::ReadWrite, 0..self.len(), |start, _| f(start))
    }

    /// Gives the memory to `f` for one turn, to write to it as often as it likes.
    ///
    /// # Errors
    ///
    /// As [`DmaBufMapping::read`].
    pub fn turn<R>(&mut self, f: impl FnOnce(&mut Writer<'_>) -> R) -> Result<R, DmaBufError> {
        self.write(0..self.len(), |start, len| f(&mut Writer { start, len, turn: PhantomData }))
    }
}

/// A dma-buf within one [turn](DmaBufMappingMut::turn).
#[derive(Debug)]
pub struct Writer<'a> {
    start: *mut u8,
    len: usize,
    turn: PhantomData<&'a mut DmaBufMappingMut>,
}

impl Writer<'_> {
    /// Writes `src` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`DmaBufError::OutOfBounds`], then nothing is written.
    #[inline]
    pub fn write_at(&mut self, offset: usize, src: &[u8]) -> Result<(), DmaBufError> {
        let end = offset.saturating_add(src.len());
        if end > self.len {
            return Err(DmaBufError::OutOfBounds { start: offset, end, len: self.len });
        }
        // SAFETY: the range is within the `len` bytes that are mapped as long as the turn lasts, and no reference points into
        // them.
        unsafe { ptr::copy_nonoverlapping(src.as_ptr(), self.start.add(offset), src.len()) };
        Ok(())
    }
}

/// An access by the CPU that has begun; ended also when the reader unwinds.
struct Turn<'a> {
    fd: BorrowedFd<'a>,
    access: Access,
}

impl Turn<'_> {
    fn end(self) -> Result<(), DmaBufError> {
        let ended = sync(self.fd, self.access, END);
        std::mem::forget(self);
        ended
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Err(error) = sync(self.fd, self.access, END) {
            tracing::warn!(%error, "while a reader unwinds");
        }
    }
}

/// Why something is no dma-buf, or could not be used as one.
#[derive(Debug, thiserror::Error)]
pub enum DmaBufError {
    /// The fd is something else.
    #[error(
        "not a dma-buf but a {kind}: pass an fd that a driver has exported (GBM, DRM PRIME, udmabuf, a dma-heap)"
    )]
    Other {
        /// What it is.
        kind: Kind,
    },
    /// Its size could not be asked for.
    #[error("cannot ask a dma-buf for its size")]
    Size {
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no second descriptor.
    #[error("cannot duplicate the descriptor of a dma-buf")]
    Clone {
        /// What the kernel said.
        source: io::Error,
    },
    /// `mmap` failed.
    #[error("the CPU cannot reach this dma-buf: cannot map its {size} bytes, made by {exporter}")]
    Map {
        /// Who made it.
        exporter: String,
        /// Its size in bytes.
        size: u64,
        /// What the kernel, or the exporter, said.
        source: io::Error,
    },
    /// The guard could not be installed.
    #[error("cannot install the handler for SIGBUS")]
    Guard {
        /// What the kernel said.
        source: io::Error,
    },
    /// The range is not within the dma-buf.
    #[error("bytes {start} to {end} are not within a dma-buf of {len} bytes")]
    OutOfBounds {
        /// Where the range starts, in bytes.
        start: usize,
        /// Where it ends, in bytes; `usize::MAX` if that is no number.
        end: usize,
        /// The size of the dma-buf, in bytes.
        len: usize,
    },
    /// `DMA_BUF_IOCTL_SYNC` failed.
    #[error("cannot begin or end to {access} a dma-buf")]
    Sync {
        /// What was to be done.
        access: Access,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its memory vanished. No exporter should let that happen.
    #[error("the memory vanished while it was used (SIGBUS at byte {offset})")]
    Fault {
        /// Where the first fault was, in bytes from the start.
        offset: usize,
    },
    /// `DMA_BUF_IOCTL_EXPORT_SYNC_FILE` failed.
    #[error("cannot get what must be over before one may {access} a dma-buf")]
    Export {
        /// What was to be done.
        access: Access,
        /// What the kernel said.
        source: io::Error,
    },
    /// `DMA_BUF_IOCTL_IMPORT_SYNC_FILE` failed.
    #[error("cannot make others wait for one who is to {access} a dma-buf")]
    Import {
        /// What was to be done.
        access: Access,
        /// What the kernel said.
        source: io::Error,
    },
    /// `poll` failed.
    #[error("cannot ask whether a dma-buf is idle")]
    Poll {
        /// What the kernel said; `EINVAL` if the fd cannot be polled.
        source: io::Error,
    },
}
