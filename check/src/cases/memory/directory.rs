//! A directory has a size, as a file has, and cannot be mapped.

use std::fs::File;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.directory",
    does: "Passes a directory as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (ENODEV, EACCES)",
    matters: "Who takes the size for proof that there is memory is wrong here.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let directory = File::open("/").map_err(memory::cannot("open a directory"))?;
    share::refuse(session, directory)
}
