//! What memory of every kind has in common once it is mapped: an address and a length, which other processes write too.
//!
//! What works on any of the four mechanisms (rings, tools, tests) is written against [`Shared`].

use std::ptr::{self, NonNull};

use crate::dmabuf::{DmaBufError, DmaBufMappingMut};
use crate::guard::Fault;
use crate::own::OwnMemory;

/// Memory that this process and others have mapped to read and write.
///
/// # Safety
///
/// As long as the value lives, [`Shared::len`] bytes from [`Shared::start`] are mapped readable and writable at that very
/// address, aligned to a page, and stay there if the value is moved. [`Shared::run`] calls its argument with that address
/// (or not at all). Nobody in this process makes references into it except to atomics.
#[expect(clippy::len_without_is_empty, reason = "never empty")]
pub unsafe trait Shared: Send + Sync + 'static {
    /// The first byte.
    ///
    /// Accesses outside of [`Shared::run`] are not guarded: where the memory [can shrink](Shared::can_shrink) and does, they
    /// end the process with `SIGBUS`.
    fn start(&self) -> NonNull<u8>;

    /// The length of the mapping in bytes; never 0.
    fn len(&self) -> usize;

    /// Whether somebody could take pages away while they are mapped: a file that is not sealed against shrinking.
    fn can_shrink(&self) -> bool;

    /// Runs `access` on the first byte's address, under the [guard](crate::guard) where the memory can shrink.
    ///
    /// # Errors
    ///
    /// [`Fault`] if a page was gone.
    fn run<R>(&self, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault>
    where
        Self: Sized;

    /// Copies `src` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; if it does not fit, nothing is written.
    fn write_at(&self, offset: usize, src: &[u8]) -> Result<(), AccessError>
    where
        Self: Sized,
    {
        within(self.len(), offset, src.len())?;
        // SAFETY: within the memory, which is writable; `src` is a reference, so it is not in shared memory.
        let copied = self.run(|start| unsafe {
            ptr::copy_nonoverlapping(src.as_ptr(), start.add(offset), src.len());
        });
        copied.map_err(|Fault { offset }| AccessError::Fault { offset })
    }

    /// Copies the bytes from `offset` on into `dst`, filling it.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    fn read_at(&self, offset: usize, dst: &mut [u8]) -> Result<(), AccessError>
    where
        Self: Sized,
    {
        within(self.len(), offset, dst.len())?;
        // SAFETY: as in `write_at`, the other way round.
        let copied = self.run(|start| unsafe {
            ptr::copy_nonoverlapping(start.add(offset).cast_const(), dst.as_mut_ptr(), dst.len());
        });
        copied.map_err(|Fault { offset }| AccessError::Fault { offset })
    }
}

pub(crate) fn within(len: usize, offset: usize, count: usize) -> Result<(), AccessError> {
    match offset.checked_add(count) {
        Some(end) if end <= len => Ok(()),
        _ => Err(AccessError::OutOfBounds { offset, count, len }),
    }
}

/// Why shared memory could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The range is not within the memory.
    #[error("{count} bytes at {offset} are not within a memory of {len} bytes")]
    OutOfBounds {
        /// Where the range starts, in bytes.
        offset: usize,
        /// How many bytes it has.
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

// SAFETY: the pages are mapped for reading and writing as long as the value lives and is not resized, which takes a `&mut`;
// `run` gives their address. Nobody in this crate makes references into them.
unsafe impl Shared for OwnMemory {
    fn start(&self) -> NonNull<u8> {
        self.pages().start()
    }

    fn len(&self) -> usize {
        OwnMemory::len(self)
    }

    fn can_shrink(&self) -> bool {
        !self.sealed_against_shrinking()
    }

    fn run<R>(&self, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        // All of the pages are within the pages.
        self.pages().run(0, 0, access).unwrap_or(Err(Fault { offset: 0 }))
    }
}

// SAFETY: the pages are mapped for reading and writing as long as the value lives; `run` gives their address. Nobody in this
// crate makes references into them.
unsafe impl Shared for DmaBufMappingMut {
    /// Accesses outside of [`Shared::run`] are not between the two calls of `DMA_BUF_IOCTL_SYNC` either: they may
    /// see what is in a cache, where the machine or the exporter needs those calls.
    fn start(&self) -> NonNull<u8> {
        self.as_read().start()
    }

    fn len(&self) -> usize {
        DmaBufMappingMut::len(self)
    }

    /// A dma-buf never changes its size.
    fn can_shrink(&self) -> bool {
        false
    }

    /// Waits for the fences in the buffer. If the exporter refuses the access, that is a fault at byte 0, and a warning in the
    /// log says why.
    fn run<R>(&self, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        self.turn_shared(access).map_err(|error| match error {
            DmaBufError::Fault { offset } => Fault { offset },
            error => {
                tracing::warn!(%error, source = ?std::error::Error::source(&error), "a dma-buf cannot be used");
                Fault { offset: 0 }
            }
        })
    }
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::seals::Seals;

    #[test]
    fn what_is_sealed_cannot_shrink() {
        let sealed = OwnMemory::create("selkie-test", 4096, Some(Seals::SHRINK)).unwrap();
        let bare = OwnMemory::create("selkie-test", 4096, None).unwrap();
        assert!(!sealed.can_shrink());
        assert!(bare.can_shrink());
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let memory = OwnMemory::create("selkie-test", 4096, None).unwrap();
        assert_eq!(Shared::write_at(&memory, 4092, b"four"), Ok(()));
        let out = AccessError::OutOfBounds { offset: 4093, count: 4, len: 4096 };
        assert_eq!(Shared::write_at(&memory, 4093, b"five"), Err(out));
        assert!(Shared::write_at(&memory, usize::MAX, b"far").is_err());
        let mut read = [0; 4];
        Shared::read_at(&memory, 4092, &mut read).unwrap();
        assert_eq!(&read, b"four");
    }

    #[test]
    fn pages_that_are_gone_are_an_error() {
        let memory = OwnMemory::create("selkie-test", 8192, None).unwrap();
        rustix::fs::ftruncate(&memory, 4096).unwrap();
        assert_eq!(Shared::write_at(&memory, 5000, b"gone"), Err(AccessError::Fault { offset: 5000 }));
    }
}
