//! A shared mapping of a file as a value: mapped when made, unmapped when dropped, never touched here.
//!
//! See `mmap(2)`. Under everything in this crate that maps ([`crate::mapping`], [`crate::own`], [`crate::frozen`]).

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::guard::{Access, Fault, Region};

/// Pages of a file, mapped shared, with the guard's record of them.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    /// What was asked for, in bytes.
    len: usize,
    /// What is mapped: `len` rounded up to whole pages.
    mapped: usize,
    region: Region,
}

// SAFETY: the pages belong to this value alone and may be used and unmapped on any thread; that others change their
// content is what every user of this type has to reckon with anyway.
unsafe impl Send for Pages {}
// SAFETY: as above; `&Pages` only hands out the address.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps the first `len` bytes of `fd`, which must not be 0.
    ///
    /// The caller has made sure that mapping it does not ask a file system that might not answer.
    pub(crate) fn map(fd: BorrowedFd<'_>, len: u64, access: Access) -> io::Result<Pages> {
        let page = page_size(fd)?;
        let too_long = || io::Error::from(Errno::NOMEM);
        let len = usize::try_from(len).map_err(|_| too_long())?;
        // More than isize::MAX could not be reached by pointer arithmetic; the kernel would not map it either.
        let mapped = len
            .checked_next_multiple_of(page)
            .filter(|n| isize::try_from(*n).is_ok())
            .ok_or_else(too_long)?;
        let protection = match access {
            Access::Read => ProtFlags::READ,
            Access::Write => ProtFlags::READ | ProtFlags::WRITE,
        };
        let map = |flags| {
            // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
            unsafe { rustix::mm::mmap(ptr::null_mut(), mapped, protection, flags, fd, 0) }
        };
        let start = match map(MapFlags::SHARED) {
            // Before Linux 6.7 write-sealed memory cannot be mapped shared through a writable fd, not even read-only.
            // A private mapping that is never written shows the very same pages.
            Err(Errno::PERM) if access == Access::Read => map(MapFlags::PRIVATE)?,
            mapped => mapped?,
        };
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(too_long)?;
        // SAFETY: whole pages, just mapped, unmapped only by drop; nobody in this crate makes references into pages that
        // can fault.
        let region = unsafe { Region::new(start, mapped, access) };
        Ok(Pages { start, len, mapped, region })
    }

    /// The first byte.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The length asked for, in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first fault, if there was one.
    #[inline]
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.region.fault()
    }

    /// Runs `access` on the `len` bytes from `offset` under the guard; `None` if they are not all in here.
    #[inline]
    pub(crate) fn run<R>(
        &self,
        offset: usize,
        len: usize,
        access: impl FnOnce(*mut u8) -> R,
    ) -> Option<Result<R, Fault>> {
        if offset.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: offset <= self.len, so within the mapping or at its end.
        let start = unsafe { self.start.as_ptr().add(offset) };
        Some(self.region.run(|| access(start)))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` mapped (or what a caught fault put there), and no borrow of it can be left.
        if let Err(error) = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.mapped) } {
            tracing::error!(%error, mapped = self.mapped, "cannot unmap memory");
        }
    }
}

/// The size of one page of `fd`'s memory: huge ones can only be unmapped and replaced as a whole.
fn page_size(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let file_system = rustix::fs::fstatfs(fd)?;
    if file_system.f_type == libc::HUGETLBFS_MAGIC {
        return usize::try_from(file_system.f_bsize).map_err(|_| Errno::INVAL.into());
    }
    Ok(rustix::param::page_size())
}
