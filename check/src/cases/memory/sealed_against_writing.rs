//! A picture that will never change again, and says so.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-against-writing",
    does: "Shows a buffer in a memfd that carries F_SEAL_SHRINK and F_SEAL_WRITE.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "Nothing could be safer to read, but a compositor that maps all memory for writing cannot map it; it must say so properly.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::memfd(BYTES as u64, Some(SealFlags::SHRINK | SealFlags::WRITE))?)
}
