//! The client forgot ftruncate(2).

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.empty-file",
    does: "Makes a pool of a file without a single byte, and shows a buffer of it.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "It is the most common mistake in a client that somebody is just writing.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::memfd(0, Some(SealFlags::empty()))?)
}
