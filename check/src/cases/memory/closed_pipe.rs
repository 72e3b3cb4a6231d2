//! Nobody is left at the other end.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.closed-pipe",
    does: "Passes the reading end of a pipe whose writer is gone as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (EACCES, ENODEV)",
    matters: "An fd in a state of its own (always readable, always at its end) must be refused like any other that is no memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (reader, writer) = rustix::pipe::pipe().map_err(memory::cannot("make a pipe"))?;
    drop(writer);
    share::refuse(session, reader)
}
