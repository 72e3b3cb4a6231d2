//! All seals that sound good, without the one that protects the reader.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-but-for-shrinking",
    does: "Shows a buffer in a memfd that carries F_SEAL_GROW and F_SEAL_SEAL, but not F_SEAL_SHRINK.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "Being sealed is not enough: such memory can still be cut off while it is read.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::memfd(BYTES as u64, Some(SealFlags::GROW | SealFlags::SEAL))?)
}
