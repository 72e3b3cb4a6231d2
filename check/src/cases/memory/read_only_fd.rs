//! The client keeps the right to write to itself.

use rustix::fs::{OFlags, SealFlags};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.read-only-fd",
    does: "Shows a buffer in sealed memory by an fd that is open for reading only.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; mmap(2), EACCES",
    matters: "To read is all that a compositor has to do; one that maps for writing must refuse it, not fall over.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::SHRINK))?;
    share::show_or_refuse(session, memory::reopened(memory, OFlags::RDONLY)?)
}
