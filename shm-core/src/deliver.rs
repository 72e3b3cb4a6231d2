//! Writing into a stranger's memory: a picture of the screen, for the client that asked for one.
//!
//! Neither of the usual ways will do. `pwrite(2)` takes the lock of the inode, which the memory's owner can hold for as long
//! as it likes (by writing to its memfd from memory that it never provides); and with `O_APPEND`, which the owner can set on
//! the file that it shares with us, it would write somewhere else. A store into a mapping needs no lock, but faults where the
//! memory was truncated, or where there is no page left to fill a hole with.
//!
//! So the memory is mapped for the moment, and the kernel itself copies into the mapping: `pread(2)` from memory of our own. It
//! takes no lock of the owner's, and where it cannot write it fails with `EFAULT`, without a signal. mmap(2) is also the one who knows
//! for certain whether the memory may be written: not through a read-only fd, and not with a write seal.
//!
//! While it is mapped (for the time of one copy) its owner cannot add `F_SEAL_WRITE`, and is told `EBUSY`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::guard::Access;
use crate::own::OwnMemory;
use crate::pages::Pages;
use crate::verdict::{self, Kind, Unusable, Verdict};

/// Copies all of `from` to the bytes of `to` from `offset` on.
///
/// Never waits for another process, whatever `to` is, and cannot fault. Only shared memory of ordinary pages is written: the pages of a disk
/// come at the disk's pace, and huge pages may have to be there beforehand.
///
/// # Errors
///
/// [`DeliverError`]; a part may have been written if it is [`DeliverError::Gone`].
pub fn deliver(from: &OwnMemory, to: BorrowedFd<'_>, offset: u64) -> Result<(), DeliverError> {
    let len = from.len();
    let end = offset.checked_add(len as u64).ok_or(DeliverError::Overflow)?;
    let examined = verdict::examine(to, end);
    match (examined.verdict, examined.kind) {
        (Verdict::Unusable { why }, _) => return Err(DeliverError::Unusable { why }),
        (_, Kind::Memfd | Kind::Tmpfs) => {}
        (_, kind) => return Err(DeliverError::NotMemory { kind }),
    }
    let pages = Pages::map(to, end, Access::Write).map_err(|source| match Errno::from_io_error(&source) {
        Some(Errno::ACCESS) => DeliverError::ReadOnly,
        Some(Errno::PERM) => DeliverError::WriteSealed,
        _ => DeliverError::Map { source },
    })?;
    // It was mapped up to there.
    let start = usize::try_from(offset).map_err(|_| DeliverError::Overflow)?;
    let mut done = 0;
    while done < len {
        // SAFETY: start + done < start + len, which is the length of the mapping.
        let at = unsafe { pages.start().as_ptr().add(start + done) };
        let from_at = libc::off_t::try_from(done).map_err(|_| DeliverError::Overflow)?;
        // SAFETY: the kernel writes at most the `len - done` bytes that are left of the mapping, or fails; nobody makes references into it.
        let count = unsafe { libc::pread(from.fd().as_raw_fd(), at.cast(), len - done, from_at) };
        match usize::try_from(count) {
            Ok(0) => return Err(DeliverError::Source { source: io::ErrorKind::UnexpectedEof.into() }),
            Ok(count) => done += count,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error if Errno::from_io_error(&error) == Some(Errno::FAULT) => {
                    return Err(DeliverError::Gone { written: done });
                }
                source => return Err(DeliverError::Source { source }),
            },
        }
    }
    Ok(())
}

/// Why memory could not be written. The first five are up to its owner.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// It is no memory at all, or too short.
    #[error("{why}")]
    Unusable {
        /// What is wrong with it.
        why: Unusable,
    },
    /// It is not memory of ordinary pages.
    #[error("it is a {kind}, and only shared memory is written: use a memfd")]
    NotMemory {
        /// What it is.
        kind: Kind,
    },
    /// The fd permits reading only.
    #[error("the fd is read-only: open it read-write")]
    ReadOnly,
    /// A seal forbids it.
    #[error("the memory is sealed against writing: leave F_SEAL_WRITE and F_SEAL_FUTURE_WRITE out")]
    WriteSealed,
    /// The memory was cut off, or the system had no page to give.
    #[error("the memory ended, or could not be had, {written} bytes into the writing")]
    Gone {
        /// Bytes that were written before.
        written: usize,
    },
    /// The range ends beyond any file.
    #[error("the range ends beyond any file")]
    Overflow,
    /// The kernel refused the mapping.
    #[error("cannot map the memory")]
    Map {
        /// What the kernel said.
        source: io::Error,
    },
    /// Our own memory could not be read.
    #[error("cannot read what is to be written")]
    Source {
        /// What the kernel said.
        source: io::Error,
    },
}
