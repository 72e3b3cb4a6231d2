//! The library against real memory, real processes and a real kernel. One module per promise.
#![allow(clippy::unwrap_used, reason = "test code, also outside of the test functions")]
#![cfg(not(miri))] // system calls throughout

mod conformance;
mod copies;
mod dmabuf;
mod faults;
mod fences;
mod fuse;
mod hugetlb;
mod kinds;
mod model;
mod opening;
mod owned;
mod passing;
mod peer;
mod ring;
mod signals;
mod stalls;
mod sysv;
mod timelines;

use std::io::Write;
use std::os::fd::OwnedFd;

use shm_core::memfd;
use shm_core::seals::Seals;

/// The size of a page, in bytes.
fn page() -> usize {
    rustix::param::page_size()
}

/// A memfd with these seals.
fn memory(size: usize, seals: Seals) -> OwnedFd {
    memfd::create("selkie-test", size as u64, Some(seals)).unwrap()
}

/// Says that a test cannot run here, and why.
#[expect(clippy::explicit_write, reason = "what `eprintln!` writes is only shown for a test that fails")]
fn skip(test: &str, why: impl std::fmt::Display) {
    writeln!(std::io::stderr(), "skipped: {test}: {why}").unwrap();
}
