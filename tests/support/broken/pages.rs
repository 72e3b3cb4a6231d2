//! Memory as careless compositors read it: mapped, and without a guard.

#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags};

/// Sums up the bytes of a file from `offset` on by reading them in place. Dies of SIGBUS where there are none.
pub fn sum(fd: impl AsFd, offset: u64, len: usize) -> u64 {
    let (before, all) = (offset % 4096, len + (offset % 4096) as usize);
    // SAFETY: a new mapping, of which nobody else knows; what is behind it is only read, and by volatile reads, because
    // another process writes it. That it may fault is the point.
    unsafe {
        let flags = MapFlags::SHARED;
        let Ok(start) = rustix::mm::mmap(ptr::null_mut(), all, ProtFlags::READ, flags, fd, offset - before)
        else {
            return 0;
        };
        let bytes = start.cast::<u8>();
        let sum = (before as usize..all).step_by(64).map(|at| u64::from(bytes.add(at).read_volatile())).sum();
        let _ = rustix::mm::munmap(start, all);
        sum
    }
}
