//! The client keeps its own mapping to draw, and nobody else may ever write.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-against-new-writers",
    does: "Shows a buffer in a memfd that carries F_SEAL_SHRINK and F_SEAL_FUTURE_WRITE.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "A careful client seals like this, and a compositor has no business writing to a buffer.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(
        session,
        memory::memfd(BYTES as u64, Some(SealFlags::SHRINK | SealFlags::FUTURE_WRITE))?,
    )
}
