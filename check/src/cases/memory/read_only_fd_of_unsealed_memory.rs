//! By a read-only fd nobody can add a seal, so a compositor cannot help itself.

use rustix::fs::{OFlags, SealFlags};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.read-only-fd-of-unsealed-memory",
    does: "Shows a buffer in unsealed memory by an fd that is open for reading only.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing; fcntl(2), EPERM",
    matters: "A compositor that tries to seal the memory itself gets EPERM here, and must know what that means.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::empty()))?;
    share::show_or_refuse(session, memory::reopened(memory, OFlags::RDONLY)?)
}
