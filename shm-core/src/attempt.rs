//! Calls that are made for their answer alone, and leave nothing behind.
//!
//! What the other modules do about a refusal (map privately instead, say what is missing) hides the refusal itself; whoever wants
//! to show what the kernel says needs just that.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags};

use crate::guard::Access;

/// Maps the first `len` bytes of `fd` shared, to read or to write, and unmaps them at once: would it be allowed?
///
/// Only for fds of our own making, as [`OwnMemory::map_shared`](crate::own::OwnMemory::map_shared).
///
/// # Errors
///
/// What `mmap(2)` says: `EPERM` if a seal forbids it, `EACCES` if the fd's mode does, `EINVAL` for a length of 0.
pub fn map_shared(fd: BorrowedFd<'_>, len: usize, access: Access) -> io::Result<()> {
    let protection = match access {
        Access::Read => ProtFlags::READ,
        Access::Write => ProtFlags::READ | ProtFlags::WRITE,
    };
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists; it is unmapped as it was
    // mapped, and nobody has its address.
    unsafe {
        let start = rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, fd, 0)?;
        rustix::mm::munmap(start, len)?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::memfd;
    use crate::seals::Seals;
    use std::os::fd::AsFd;

    #[test]
    fn answers_what_mmap_says_and_leaves_no_mapping() {
        let fd = memfd::create("selkie-test", 4096, Some(Seals::empty())).unwrap();
        map_shared(fd.as_fd(), 4096, Access::Write).unwrap();
        map_shared(fd.as_fd(), 4096, Access::Read).unwrap();
        let zero = map_shared(fd.as_fd(), 0, Access::Read).unwrap_err();
        assert_eq!(zero.raw_os_error(), Some(libc::EINVAL));
        // A writable mapping that was left behind would make this EBUSY.
        Seals::add(&fd, Seals::WRITE).unwrap();
        let sealed = map_shared(fd.as_fd(), 4096, Access::Write).unwrap_err();
        assert_eq!(sealed.raw_os_error(), Some(libc::EPERM));
    }
}
