//! The fault may come at any instruction that reads pixels, and at any check just before it.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-during-commits",
    does: "Cuts the memory of a buffer to nothing and gives it its size back, all the time, while the buffer is shown twenty times.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "A check of the size before each read leaves a gap, and this finds it.",
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
    // As large as it is said to be until it is taken.
    client.roundtrip()?;
    share::meanwhile(
        || {
            let _ = rustix::fs::ftruncate(&memory, 0);
            let _ = rustix::fs::ftruncate(&memory, BYTES as u64);
        },
        20,
        || client.present(&window.surface, &buffer),
    )?;
    Ok("went on".to_owned())
}
