//! A client that mixes up its fds passes a socket sooner or later.

use std::os::unix::net::UnixStream;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.socket",
    does: "Passes a connected socket as the memory of a pool.",
    must: "The client is ended with wl_shm.invalid_fd before anything is shown.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), ERRORS (ENODEV)",
    matters: "A mistake of one client must end as its error, not as the compositor's.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (socket, _peer) = UnixStream::pair().map_err(memory::cannot("make sockets"))?;
    share::refuse(session, socket)
}
