//! An O_PATH fd names a file and opens nothing; fstat(2) works on it and little else does.

use rustix::fs::{OFlags, SealFlags};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.o-path-fd",
    does: "Passes sealed memory by an O_PATH fd.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (EBADF); open(2), O_PATH",
    matters: "Its size can be asked, but it cannot be mapped (EBADF); who checks the size alone goes on with no memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::SHRINK))?;
    share::refuse(session, memory::reopened(memory, OFlags::PATH)?)
}
