//! The memory comes back, but a handler may have put pages of its own in its place.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-and-grow-back",
    does: "Cuts the memfd of a buffer to nothing, shows the buffer, gives the memfd its size back, and shows the buffer again.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "After the first fault a compositor must neither count on more of them nor be surprised by a second.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(shrink(session), &share::invalid_fd())
}

fn shrink(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::empty()))?;
    let mut client = session.connect()?;
    let window = client.window()?;

    let buffer = client.square_of(&memory)?;
    client.present(&window.surface, &buffer)?;
    for size in [0, BYTES as u64, 0, BYTES as u64] {
        if rustix::fs::ftruncate(&memory, size).is_err() {
            return Ok("sealed by the compositor".to_owned());
        }
        client.present(&window.surface, &buffer)?;
    }
    Ok("went on".to_owned())
}
