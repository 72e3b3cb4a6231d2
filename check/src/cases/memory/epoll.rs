//! The fd that every event loop has.

use rustix::event::epoll;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.epoll",
    does: "Passes an epoll instance as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (ENODEV)",
    matters: "A client that passes its event loop by mistake must not take the compositor's with it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let epoll =
        epoll::create(epoll::CreateFlags::CLOEXEC).map_err(memory::cannot("make an epoll instance"))?;
    share::refuse(session, epoll)
}
