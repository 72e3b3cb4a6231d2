//! Copying out of a file without mapping it: what is gone is an error then, not a signal.
//!
//! For memory that is not sealed, `pread(2)` costs a system call and a copy and needs no guard. It does ask the file
//! system, so only use it on an fd whose [verdict] is not `Unusable`, and for what a stranger sent, through
//! a [`Reader`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::mapping::rows_span;
use crate::verdict::{self, Kind, Unusable, Verdict};

/// A stranger's file to copy out of, and the proof that reading it waits for nobody but the kernel.
///
/// Of a file on a disk it opens a description of its own. The one that came with the fd is shared with the sender, who could
/// set `O_DIRECT` on it at any time; reading then takes the lock of the inode, which a client can hold for ever (by
/// writing to the file from memory that it never provides). Reading shared memory takes no lock, either way.
#[derive(Debug)]
pub struct Reader {
    fd: OwnedFd,
}

impl Reader {
    /// Makes a reader of `fd`, if its verdict for `len` bytes is not `Unusable`.
    ///
    /// # Errors
    ///
    /// [`PreadError::Unusable`] with the reason, [`PreadError::Open`] if the file cannot be opened anew (its mode may forbid it).
    pub fn open(fd: BorrowedFd<'_>, len: u64) -> Result<Reader, PreadError> {
        let examined = verdict::examine(fd, len);
        if let Verdict::Unusable { why } = examined.verdict {
            return Err(PreadError::Unusable { why });
        }
        let own = if examined.kind == Kind::Disk {
            // Non-blocking, so as not to wait for a lease of the sender to be broken.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::open(format!("/proc/thread-self/fd/{}", fd.as_raw_fd()), flags, Mode::empty())
        } else {
            rustix::io::fcntl_dupfd_cloexec(fd, 0)
        };
        own.map(|fd| Reader { fd }).map_err(|source| PreadError::Open { source: source.into() })
    }

    /// As the function [`read_at`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<usize, PreadError> {
        read_at(self.fd.as_fd(), offset, dst)
    }

    /// As the function [`pread_rows`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn read_rows(
        &self,
        offset: u64,
        stride: usize,
        row_bytes: usize,
        rows: usize,
        dst: &mut [u8],
        dst_stride: usize,
    ) -> Result<usize, PreadError> {
        pread_rows(self.fd.as_fd(), offset, stride, row_bytes, rows, dst, dst_stride)
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Reader> for OwnedFd {
    /// The fd, to be kept in place of the one that came from the stranger, and read with the functions of this module.
    fn from(reader: Reader) -> OwnedFd {
        reader.fd
    }
}

/// Fills `dst` with the bytes of the file from `offset` on, and says how many that were: all of `dst`.
///
/// # Errors
///
/// [`PreadError::Short`] if the file ends before, [`PreadError::Io`] if the kernel refuses.
pub fn read_at(fd: BorrowedFd<'_>, offset: u64, dst: &mut [u8]) -> Result<usize, PreadError> {
    let wanted = dst.len();
    let mut done = 0;
    while done < wanted {
        let at = offset.checked_add(done as u64).ok_or(PreadError::Overflow)?;
        match rustix::io::pread(fd, &mut dst[done..], at) {
            Ok(0) => return Err(PreadError::Short { offset, wanted, got: done }),
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(PreadError::Io { offset, wanted, source: error.into() }),
        }
    }
    Ok(wanted)
}

/// Reads rows: `rows` times `row_bytes` bytes, `stride` bytes apart from `offset` on, to `dst_stride` bytes apart in `dst`;
/// says how many bytes were copied. The bytes between the rows of `dst` are left as they are.
///
/// Rows without a gap on both sides take one system call, others one each.
///
/// # Errors
///
/// As [`read_at`]; [`PreadError::Rows`] if the rows do not fit into `dst` or overlap there, [`PreadError::Overflow`] if they end
/// beyond any file.
pub fn pread_rows(
    fd: BorrowedFd<'_>,
    offset: u64,
    stride: usize,
    row_bytes: usize,
    rows: usize,
    dst: &mut [u8],
    dst_stride: usize,
) -> Result<usize, PreadError> {
    if rows == 0 || row_bytes == 0 {
        return Ok(0);
    }
    let rows_error = PreadError::Rows { rows, row_bytes, dst_stride, dst_len: dst.len() };
    match rows_span(dst_stride, row_bytes, rows) {
        Some(span) if span <= dst.len() && (rows == 1 || dst_stride >= row_bytes) => {}
        _ => return Err(rows_error),
    }
    let span = rows_span(stride, row_bytes, rows).ok_or(PreadError::Overflow)?;
    offset.checked_add(span as u64).ok_or(PreadError::Overflow)?;
    if rows == 1 || (stride == row_bytes && dst_stride == row_bytes) {
        return read_at(fd, offset, &mut dst[..span]);
    }
    for row in 0..rows {
        // Neither product can overflow: those of the last row did not.
        let to = row * dst_stride;
        read_at(fd, offset + (row * stride) as u64, &mut dst[to..to + row_bytes])?;
    }
    Ok(rows * row_bytes)
}

/// Why bytes could not be copied out of a file.
#[derive(Debug, thiserror::Error)]
pub enum PreadError {
    /// The file may not be read at all.
    #[error("{why}")]
    Unusable {
        /// What is wrong with it.
        why: Unusable,
    },
    /// The file could not be opened anew.
    #[error("cannot open the file for reading")]
    Open {
        /// What the kernel said.
        source: io::Error,
    },
    /// The file ends too early.
    #[error("the file ends {got} bytes into the {wanted} bytes at {offset}")]
    Short {
        /// Where the reading started, in bytes.
        offset: u64,
        /// How many bytes were wanted.
        wanted: usize,
        /// How many there were.
        got: usize,
    },
    /// The range ends beyond any file.
    #[error("the range ends beyond any file")]
    Overflow,
    /// The rows do not fit where they should go.
    #[error("{rows} rows of {row_bytes} bytes, {dst_stride} bytes apart, do not fit into {dst_len} bytes")]
    Rows {
        /// How many rows.
        rows: usize,
        /// How many bytes each has.
        row_bytes: usize,
        /// How far apart they should be, in bytes.
        dst_stride: usize,
        /// The length of the destination, in bytes.
        dst_len: usize,
    },
    /// `pread` failed.
    #[error("cannot read {wanted} bytes at {offset}")]
    Io {
        /// Where the reading started, in bytes.
        offset: u64,
        /// How many bytes were wanted.
        wanted: usize,
        /// What the kernel said.
        source: io::Error,
    },
}
