//! Memory of our own that a peer maps too: a client's buffers, a compositor's output.
//!
//! Ours to write, but not ours alone: the peer may write it as well if its fd allows that, and may shrink it if it is not
//! sealed. So there are no slices of it here either, and every access runs under the [guard].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;

use crate::guard::{self, Access, Fault};
use crate::memfd::{self, CreateError};
use crate::pages::Pages;
use crate::seals::Seals;

/// A file of shared memory and a writable mapping of it.
#[derive(Debug)]
pub struct OwnMemory {
    fd: OwnedFd,
    pages: Pages,
}

impl OwnMemory {
    /// Creates a memfd of `size` bytes with these seals (see [`memfd::create`]) and maps it.
    ///
    /// [`Seals::WRITE`] and [`Seals::FUTURE_WRITE`] keep it from being mapped writable; add those later, with [`Seals::add`].
    ///
    /// # Errors
    ///
    /// [`OwnError::Create`] and [`OwnError::Map`]; a size of 0 cannot be mapped (`EINVAL`).
    pub fn create(name: &str, size: u64, seals: Option<Seals>) -> Result<OwnMemory, OwnError> {
        let fd = memfd::create(name, size, seals)?;
        OwnMemory::map_shared(fd, size)
    }

    /// Maps the first `len` bytes of memory that exists, for reading and writing.
    ///
    /// Only for fds of our own making: it asks the file system about them, and a stranger's might not answer (see
    /// [`crate::verdict`]).
    ///
    /// # Errors
    ///
    /// [`OwnError::Map`] if the kernel refuses it, [`OwnError::Guard`] if the handler cannot be installed.
    pub fn map_shared(fd: OwnedFd, len: u64) -> Result<OwnMemory, OwnError> {
        guard::install().map_err(|source| OwnError::Guard { source })?;
        let pages =
            Pages::map(fd.as_fd(), len, Access::Write).map_err(|source| OwnError::Map { len, source })?;
        Ok(OwnMemory { fd, pages })
    }

    /// The size in bytes of memory that is known to be the kernel's own.
    pub(crate) fn file_size(fd: &OwnedFd) -> Result<u64, OwnError> {
        let stat = rustix::fs::fstat(fd).map_err(|error| OwnError::Ask { source: error.into() })?;
        Ok(stat.st_size.cast_unsigned())
    }

    /// The file, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Unmaps it and keeps the file: what [`Seals::WRITE`] needs, which no writable mapping may outlive.
    pub fn into_fd(self) -> OwnedFd {
        let OwnMemory { fd, pages } = self;
        drop(pages);
        fd
    }

    /// The length of the mapping in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// The first byte, for libraries that draw through a pointer. Valid for [`OwnMemory::len`] bytes until the next
    /// [`OwnMemory::resize`].
    ///
    /// Accesses through it are not guarded: if the memory is not sealed against shrinking and somebody shrinks it, they end the
    /// process.
    pub fn as_ptr(&self) -> *mut u8 {
        self.pages.start().as_ptr()
    }

    /// The mapping itself.
    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Whether the memory carries [`Seals::SHRINK`], now and thereby for ever.
    pub fn sealed_against_shrinking(&self) -> bool {
        Seals::of(&self.fd).is_ok_and(|seals| seals.contains(Seals::SHRINK))
    }

    /// Makes memory and mapping `new_len` bytes long. New bytes are zero; the address changes.
    ///
    /// To make it smaller shrinks the file only if no seal forbids it; then the mapping alone gets smaller, since a
    /// peer that trusts the seal must not be let down.
    ///
    /// # Errors
    ///
    /// [`OwnError::Resize`] (`EPERM` with [`Seals::GROW`]), [`OwnError::Map`]. The memory is then as before, possibly longer.
    pub fn resize(&mut self, new_len: u64) -> Result<(), OwnError> {
        let resize = |source: io::Error| OwnError::Resize { len: new_len, source };
        let file_len = rustix::fs::fstat(&self.fd).map_err(|error| resize(error.into()))?.st_size;
        let file_len = file_len.cast_unsigned();
        if new_len > file_len || (new_len < file_len && !self.sealed_against_shrinking()) {
            rustix::fs::ftruncate(&self.fd, new_len).map_err(|error| resize(error.into()))?;
        }
        self.pages = Pages::map(self.fd.as_fd(), new_len, Access::Write)
            .map_err(|source| OwnError::Map { len: new_len, source })?;
        Ok(())
    }

    /// Writes `src` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`OwnError::OutOfBounds`] if it does not fit (then nothing is written), [`OwnError::Fault`] if the memory has vanished.
    pub fn write_at(&mut self, offset: usize, src: &[u8]) -> Result<(), OwnError> {
        self.access(offset, src.len(), |dst| {
            // SAFETY: `access` gives src.len() mapped, writable bytes, and `src` is not among them: nobody makes references
            // into shared memory.
            unsafe { ptr::copy_nonoverlapping(src.as_ptr(), dst, src.len()) };
        })
    }

    /// Writes pixels (or other words, in the machine's byte order) to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`OwnMemory::write_at`].
    pub fn write_row(&mut self, offset: usize, src: &[u32]) -> Result<(), OwnError> {
        let bytes = size_of_val(src);
        self.access(offset, bytes, |dst| {
            // SAFETY: as in `write_at`; copied as bytes, so `dst` need not be aligned.
            unsafe { ptr::copy_nonoverlapping(src.as_ptr().cast::<u8>(), dst, bytes) };
        })
    }

    /// Draws rows: `draw` fills row 0, 1, ... of `rows` in a buffer of our own of `width` words, and each is written to
    /// its place, `stride` bytes after the one before, the first at `offset`.
    ///
    /// The buffer keeps its content from row to row. Drawing there and copying one row costs less than drawing in shared
    /// memory whenever a pixel is touched twice, and needs no pointer.
    ///
    /// # Errors
    ///
    /// As [`OwnMemory::write_at`]; `draw` is not called if the rows do not all fit.
    pub fn with_rows(
        &mut self,
        offset: usize,
        stride: usize,
        width: usize,
        rows: usize,
        mut draw: impl FnMut(usize, &mut [u32]),
    ) -> Result<(), OwnError> {
        if rows == 0 || width == 0 {
            return Ok(());
        }
        let bytes = width.checked_mul(size_of::<u32>());
        let span = bytes.and_then(|bytes| crate::mapping::rows_span(stride, bytes, rows));
        let fits = span.and_then(|span| offset.checked_add(span)).is_some_and(|end| end <= self.len());
        if !fits {
            let len = self.len();
            return Err(OwnError::OutOfBounds { offset, count: span.unwrap_or(usize::MAX), len });
        }
        let mut row = vec![0; width];
        for y in 0..rows {
            draw(y, &mut row);
            self.write_row(offset + y * stride, &row)?;
        }
        Ok(())
    }

    /// Copies the bytes from `offset` on into `dst`, filling it.
    ///
    /// # Errors
    ///
    /// As [`OwnMemory::write_at`].
    pub fn read_at(&self, offset: usize, dst: &mut [u8]) -> Result<(), OwnError> {
        self.access(offset, dst.len(), |src| {
            // SAFETY: as in `write_at`, the other way round.
            unsafe { ptr::copy_nonoverlapping(src, dst.as_mut_ptr(), dst.len()) };
        })
    }

    /// Runs `f` on the address of `count` bytes from `offset`, under the guard.
    fn access(&self, offset: usize, count: usize, f: impl FnOnce(*mut u8)) -> Result<(), OwnError> {
        match self.pages.run(offset, count, f) {
            None => Err(OwnError::OutOfBounds { offset, count, len: self.len() }),
            Some(Ok(())) => Ok(()),
            Some(Err(Fault { offset })) => Err(OwnError::Fault { offset }),
        }
    }
}

impl AsFd for OwnMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// Why memory of our own could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// There is no memfd.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// `mmap` failed.
    #[error("cannot map {len} bytes")]
    Map {
        /// The length asked for, in bytes.
        len: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// `fstat` failed.
    #[error("cannot ask memory for its size")]
    Ask {
        /// What the kernel said.
        source: io::Error,
    },
    /// `ftruncate` failed.
    #[error("cannot make the memory {len} bytes long")]
    Resize {
        /// The length asked for, in bytes.
        len: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The guard could not be installed.
    #[error("cannot install the handler for SIGBUS")]
    Guard {
        /// What the kernel said.
        source: io::Error,
    },
    /// The range is not within the memory.
    #[error("{count} bytes at {offset} are not within a memory of {len} bytes")]
    OutOfBounds {
        /// Where the range starts, in bytes.
        offset: usize,
        /// How many bytes it has; `usize::MAX` if that is no number.
        count: usize,
        /// The length of the mapping, in bytes.
        len: usize,
    },
    /// Somebody shrank the memory while it was used.
    #[error("the memory vanished while it was used (SIGBUS at byte {offset})")]
    Fault {
        /// Where the first fault was, in bytes from the start.
        offset: usize,
    },
}
