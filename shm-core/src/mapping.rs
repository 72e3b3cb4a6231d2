//! Memory of another process, mapped for reading: an immutable value whose type says how safe that is.
//!
//! [`Mapping<Sealed>`] can only be made of memory whose [verdict] is `Sealed`, so having one is the proof.
//! [`Mapping<Guarded>`] may be made of anything that can be mapped without waiting for a stranger. Both are read under the
//! [guard]: for the second it is what keeps us alive, for the first a second line that costs a nanosecond.
//!
//! A mapping never changes. When its file has grown, make a new one and let the last reader of the old one drop it:
//! that is what [`std::sync::Arc`] is for. It stays valid when the fd is closed.
//!
//! The other process may write while we read. So there is no `&[u8]` here, and what is read twice may differ.

use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr;

use crate::guard::{self, Access, Fault};
use crate::pages::Pages;
use crate::verdict::{self, Unsealed, Unusable, Verdict};

/// Marks a mapping whose memory cannot shrink: its pages are there for good.
#[derive(Debug)]
pub enum Sealed {}

/// Marks a mapping whose pages may vanish; only the guard makes reading it safe.
#[derive(Debug)]
pub enum Guarded {}

/// A read-only view of another process's memory. `S` is [`Sealed`] or [`Guarded`].
#[derive(Debug)]
pub struct Mapping<S> {
    pages: Pages,
    proof: PhantomData<fn() -> S>,
}

impl Mapping<Sealed> {
    /// Maps the first `len` bytes of `fd`, if its verdict for that length is `Sealed`.
    ///
    /// # Errors
    ///
    /// [`MapError::Unsealed`] and [`MapError::Unusable`] with the reason, if the verdict is another; [`MapError::Map`] if the
    /// kernel refuses the mapping.
    pub fn new(fd: BorrowedFd<'_>, len: u64) -> Result<Mapping<Sealed>, MapError> {
        match verdict::examine(fd, len).verdict {
            Verdict::Sealed => Mapping::map(fd, len),
            Verdict::Unsealed { why } => Err(MapError::Unsealed { why }),
            Verdict::Unusable { why } => Err(MapError::Unusable { why }),
        }
    }
}

impl Mapping<Guarded> {
    /// Maps the first `len` bytes of `fd`, if its verdict for that length is `Sealed` or `Unsealed`.
    ///
    /// # Errors
    ///
    /// [`MapError::Unusable`] with the reason, if the verdict is that; [`MapError::Map`] if the kernel refuses the mapping.
    pub fn new(fd: BorrowedFd<'_>, len: u64) -> Result<Mapping<Guarded>, MapError> {
        match verdict::examine(fd, len).verdict {
            Verdict::Sealed | Verdict::Unsealed { .. } => Mapping::map(fd, len),
            Verdict::Unusable { why } => Err(MapError::Unusable { why }),
        }
    }
}

impl From<Mapping<Sealed>> for Mapping<Guarded> {
    /// Forgets the proof; what is read under the guard may as well be sealed.
    fn from(sealed: Mapping<Sealed>) -> Mapping<Guarded> {
        Mapping { pages: sealed.pages, proof: PhantomData }
    }
}

impl<S> Mapping<S> {
    /// Maps it; the verdict has been asked for.
    fn map(fd: BorrowedFd<'_>, len: u64) -> Result<Mapping<S>, MapError> {
        guard::install().map_err(|source| MapError::Guard { source })?;
        let pages = Pages::map(fd, len, Access::Read).map_err(|source| MapError::Map { len, source })?;
        Ok(Mapping { pages, proof: PhantomData })
    }

    /// The length in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// The first fault that was caught in this mapping. Once there is one, nothing can be read any more.
    pub fn fault(&self) -> Option<Fault> {
        self.pages.fault()
    }

    /// Reads a range in place: `f` gets its address and length, and may read there until it returns.
    ///
    /// Through the pointer, and only by raw reads: another process may write the memory meanwhile, so a reference
    /// to it would be undefined behaviour. `f` may see zeros where memory has vanished; its result is dropped then. It must
    /// not give the pointer to a system call, which fails with `EFAULT` there instead of telling the guard.
    ///
    /// # Errors
    ///
    /// [`ReadError::OutOfBounds`] if the range is not within the mapping (then `f` is not called), [`ReadError::Fault`] if
    /// memory vanished, now or in an earlier read.
    #[inline]
    pub fn read<R>(
        &self,
        range: Range<usize>,
        f: impl FnOnce(*const u8, usize) -> R,
    ) -> Result<R, ReadError> {
        let out_of_bounds = ReadError::OutOfBounds { start: range.start, end: range.end, len: self.len() };
        let Some(count) = range.end.checked_sub(range.start) else { return Err(out_of_bounds) };
        match self.pages.run(range.start, count, |start| f(start, count)) {
            None => Err(out_of_bounds),
            Some(Ok(result)) => Ok(result),
            Some(Err(Fault { offset })) => Err(ReadError::Fault { offset }),
        }
    }

    /// Copies the bytes from `offset` on into `dst`, filling it.
    ///
    /// # Errors
    ///
    /// As [`Mapping::read`]; after a [`ReadError::Fault`] the content of `dst` is part memory, part zeros.
    pub fn copy_to(&self, offset: usize, dst: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(dst.len()).ok_or(ReadError::OutOfBounds {
            start: offset,
            end: usize::MAX,
            len: self.len(),
        })?;
        self.read(offset..end, |src, count| {
            // SAFETY: `read` gives `count` == dst.len() mapped bytes; `dst` is ours, so the two do not overlap. Another
            // process may write them meanwhile: the copy is then a mixture, of bytes, which are valid whatever they are.
            unsafe { ptr::copy_nonoverlapping(src, dst.as_mut_ptr(), count) };
        })
    }

    /// Copies rows: `rows` times `row_bytes` bytes, `src_stride` bytes apart from `offset` on, to `dst_stride` bytes apart in
    /// `dst`. The bytes between the rows of `dst` are left as they are.
    ///
    /// # Errors
    ///
    /// As [`Mapping::copy_to`], and [`ReadError::Rows`] if the rows do not fit into `dst` or overlap there.
    pub fn copy_rows(
        &self,
        offset: usize,
        src_stride: usize,
        row_bytes: usize,
        rows: usize,
        dst: &mut [u8],
        dst_stride: usize,
    ) -> Result<(), ReadError> {
        let rows_error = ReadError::Rows { rows, row_bytes, dst_stride, dst_len: dst.len() };
        if rows == 0 || row_bytes == 0 {
            return Ok(());
        }
        let needed = rows_span(dst_stride, row_bytes, rows).ok_or_else(|| rows_error.clone())?;
        if needed > dst.len() || (rows > 1 && dst_stride < row_bytes) {
            return Err(rows_error);
        }
        let end = rows_span(src_stride, row_bytes, rows).and_then(|span| offset.checked_add(span));
        let end = end.ok_or(ReadError::OutOfBounds { start: offset, end: usize::MAX, len: self.len() })?;
        self.read(offset..end, |src, span| {
            if src_stride == row_bytes && dst_stride == row_bytes {
                // SAFETY: `read` gives `span` bytes, and span == needed <= dst.len() as the strides are equal.
                unsafe { ptr::copy_nonoverlapping(src, dst.as_mut_ptr(), span) };
                return;
            }
            for row in 0..rows {
                // SAFETY: row <= rows - 1, so both rows end within the spans computed above, which are within the
                // mapping and `dst`; neither product can overflow as the last one did not.
                unsafe {
                    let from = src.add(row * src_stride);
                    ptr::copy_nonoverlapping(from, dst.as_mut_ptr().add(row * dst_stride), row_bytes);
                }
            }
        })
    }
}

/// From the first byte of the first row to the last of the last, in bytes; `rows` is not 0.
pub(crate) fn rows_span(stride: usize, row_bytes: usize, rows: usize) -> Option<usize> {
    stride.checked_mul(rows.checked_sub(1)?)?.checked_add(row_bytes)
}

/// Why memory could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// A proof was asked for and the memory has none: its pages may vanish.
    #[error("{why}")]
    Unsealed {
        /// What is missing.
        why: Unsealed,
    },
    /// It cannot be read under any precaution.
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
        /// What the kernel said: `ENOMEM` if there is no such stretch of addresses (or no huge page) left.
        source: io::Error,
    },
    /// The guard could not be installed.
    #[error("cannot install the handler for SIGBUS")]
    Guard {
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why mapped memory could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The range is not within the mapping.
    #[error("bytes {start} to {end} are not within a mapping of {len} bytes")]
    OutOfBounds {
        /// Where the range starts, in bytes.
        start: usize,
        /// Where it ends, in bytes; `usize::MAX` if that is no number.
        end: usize,
        /// The length of the mapping, in bytes.
        len: usize,
    },
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
    /// Memory vanished, in this read or an earlier one.
    #[error("the memory vanished while it was read (SIGBUS at byte {offset})")]
    Fault {
        /// Where the first fault was, in bytes from the start of the mapping.
        offset: usize,
    },
}
