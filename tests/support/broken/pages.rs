//! Memory as careless compositors read it: mapped, and without a guard.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

/// A shared mapping from the start of a file.
pub struct Mapping {
    start: *mut c_void,
    len: usize,
}

// SAFETY: it is only an address and a length; what is behind is only read, and by volatile reads.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes, to be read, or to be written, too.
    pub fn new(fd: impl AsFd, len: usize, to_write: bool) -> Option<Mapping> {
        let protection = if to_write { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: a new mapping, of which nobody else knows.
        let start = unsafe { rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, fd, 0) };
        Some(Mapping { start: start.ok()?, len })
    }

    /// Reads bytes in place. Dies of SIGBUS where there are none, and of SIGSEGV where the mapping does not reach.
    pub fn sum(&self, offset: usize, len: usize) -> u64 {
        // SAFETY: another process may write it, so the reads are volatile. That they may fault is the point.
        let read = |at| unsafe { u64::from(self.start.cast::<u8>().wrapping_add(at).read_volatile()) };
        (offset..offset + len).step_by(64).map(read).sum()
    }

    /// Copies bytes out; as many as there are. It dies as `sum` does.
    pub fn copy(&self, offset: usize, to: &mut [u8]) {
        let within = self.len.saturating_sub(offset).min(to.len());
        for (at, byte) in to[..within].iter_mut().enumerate() {
            // SAFETY: as in `sum`; it is within the mapping.
            *byte = unsafe { self.start.cast::<u8>().add(offset + at).read_volatile() };
        }
    }

    /// Writes zeros in place, where it may be written.
    pub fn fill(&self, offset: usize, len: usize) {
        // SAFETY: as in `sum`.
        let write = |at| unsafe { self.start.cast::<u8>().wrapping_add(at).write_volatile(0) };
        (offset..offset + len).step_by(64).for_each(write);
    }

    /// Takes the pages away, as moving the mapping elsewhere would.
    pub fn poison(&self) {
        // SAFETY: nobody but `sum` reads them, and that it dies is the point.
        let done = unsafe { rustix::mm::mprotect(self.start, self.len, MprotectFlags::empty()) };
        done.unwrap();
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody reads it any more.
        let _ = unsafe { rustix::mm::munmap(self.start, self.len) };
    }
}
