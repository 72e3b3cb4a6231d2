//! What software OpenGL (Mesa) and Firefox hand over.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.unsealed-memfd",
    does: "Shows a buffer in a memfd that could be sealed, and is not.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "Most clients that are in use do this; a compositor may refuse it, but then with the error that says why.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::memfd(BYTES as u64, Some(SealFlags::empty()))?)
}
