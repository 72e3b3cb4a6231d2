//! A seal is a promise about the file, not about the client's arithmetic.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-but-shorter-than-claimed",
    does: "Makes a pool of twice the size of its sealed file, and shows a buffer of all of it.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "Who takes the seal for proof and leaves out the guard reads past the end unguarded.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(
        session,
        memory::memfd(BYTES as u64 / 2, Some(SealFlags::SHRINK | SealFlags::SEAL))?,
    )
}
