//! What weston's own clients and GTK 4 hand over: the one seal that matters, and no other.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-against-shrinking-only",
    does: "Shows a buffer in a memfd that carries F_SEAL_SHRINK alone, so that more seals could be added.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "Who compares the seals with a fixed set, instead of looking for the one, turns such clients away.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show(session, memory::memfd(BYTES as u64, Some(SealFlags::SHRINK))?)
}
