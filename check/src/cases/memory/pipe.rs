//! Not memory at all, and whoever reads from it waits for ever.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.pipe",
    does: "Passes the reading end of a pipe as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (EACCES, ENODEV)",
    matters: "A compositor that falls back to read(2) where mmap(2) fails stands still here.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (reader, _writer) = rustix::pipe::pipe().map_err(memory::cannot("make a pipe"))?;
    share::refuse(session, reader)
}
