//! Memory that nobody can change any more: the one kind that may be a `&[u8]`.
//!
//! `F_SEAL_WRITE` forbids every write, and also punching holes, which would turn content into zeros; it can only be added
//! when no writable shared mapping (nor a pinned page that a device may write to) is left, so it speaks of the past too.
//! `F_SEAL_SHRINK` keeps the pages. `F_SEAL_FUTURE_WRITE` is not enough: whoever mapped the memory before goes on writing.
//! And it must be shmem: what hugetlbfs promises is not what it keeps (see [`crate::verdict`]).
//!
//! See `fcntl(2)`, "File Sealing". Kernels before 6.13 could be raced into a writable dma-buf of write-sealed memory
//! by whoever may open `/dev/udmabuf`.

use std::io;
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::slice;

use crate::guard::Access;
use crate::pages::Pages;
use crate::seals::Seals;
use crate::verdict::{self, Unsealed, Unusable, Verdict};

/// A view of memory that nobody can change; derefs to its bytes.
#[derive(Debug)]
pub struct Frozen {
    pages: Pages,
}

impl Frozen {
    /// Maps the first `len` bytes of `fd`, if it is shmem with [`Seals::WRITE`] and [`Seals::SHRINK`].
    ///
    /// # Errors
    ///
    /// [`FrozenError`] says what is missing.
    pub fn new(fd: BorrowedFd<'_>, len: u64) -> Result<Frozen, FrozenError> {
        let examined = verdict::examine(fd, len);
        match examined.verdict {
            Verdict::Sealed => {}
            Verdict::Unsealed { why } => return Err(FrozenError::Unsealed { why }),
            Verdict::Unusable { why } => return Err(FrozenError::Unusable { why }),
        }
        let seals = examined.seals.unwrap_or_default();
        if !seals.contains(Seals::WRITE) {
            return Err(FrozenError::Writable { seals });
        }
        let pages = Pages::map(fd, len, Access::Read).map_err(|source| FrozenError::Map { len, source })?;
        Ok(Frozen { pages })
    }
}

impl Deref for Frozen {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: len bytes from start are mapped as long as self lives. They are shmem, which cannot shrink, so they can
        // be read; and nobody can write them or punch holes in them, nor could anybody since the seals were found. They are
        // not accessed through the guard, so no fault replaces them.
        unsafe { slice::from_raw_parts(self.pages.start().as_ptr(), self.pages.len()) }
    }
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Why memory is not frozen.
#[derive(Debug, thiserror::Error)]
pub enum FrozenError {
    /// It can still be written.
    #[error(
        "its content can still change (seals: {seals}): add F_SEAL_WRITE once nothing has it mapped for writing"
    )]
    Writable {
        /// The seals it has.
        seals: Seals,
    },
    /// It can still shrink.
    #[error("{why}")]
    Unsealed {
        /// What is missing.
        why: Unsealed,
    },
    /// It cannot be read at all.
    #[error("{why}")]
    Unusable {
        /// What is wrong.
        why: Unusable,
    },
    /// `mmap` failed.
    #[error("cannot map {len} bytes")]
    Map {
        /// The length asked for, in bytes.
        len: u64,
        /// What the kernel said.
        source: io::Error,
    },
}
