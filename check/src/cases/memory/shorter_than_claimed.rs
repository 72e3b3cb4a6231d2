//! The pool is twice as large as its file from the first moment.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shorter-than-claimed",
    does: "Makes a pool of twice the size of its unsealed file, and shows a buffer of all of it.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "mmap(2) succeeds all the same; the fault comes when the pixels are read.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::memfd(BYTES as u64 / 2, Some(SealFlags::empty()))?)
}
