//! The file is right, and the fd is of no use.

use rustix::fs::{OFlags, SealFlags};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.write-only-fd",
    does: "Passes sealed memory by an fd that is open for writing only.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (EACCES)",
    matters: "Size and seals look perfect; only mmap(2) says no, and that answer has to be looked at.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::SHRINK))?;
    share::refuse(session, memory::reopened(memory, OFlags::WRONLY)?)
}
