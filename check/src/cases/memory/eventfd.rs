//! A kernel object behind an anonymous inode, without a file system.

use rustix::event::{EventfdFlags, eventfd};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.eventfd",
    does: "Passes an eventfd as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (ENODEV)",
    matters: "Such an fd gives odd answers to fstat(2) and fstatfs(2); none of them is that it is memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let event = eventfd(0, EventfdFlags::CLOEXEC).map_err(memory::cannot("make an eventfd"))?;
    share::refuse(session, event)
}
