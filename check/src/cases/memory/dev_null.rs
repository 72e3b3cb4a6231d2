//! A device that can be read and written, and not mapped.

use std::fs::File;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.dev-null",
    does: "Passes /dev/null as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (ENODEV)",
    matters: "Reading from it succeeds and gives nothing: a copy of the pixels would never be complete.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let null = File::options().read(true).write(true).open("/dev/null");
    share::refuse(session, null.map_err(memory::cannot("open /dev/null"))?)
}
