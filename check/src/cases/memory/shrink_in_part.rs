//! The fault comes in the middle of a picture, with half of it read.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-in-part",
    does: "Shows a buffer in an unsealed memfd, cuts the memfd to its first page, and shows the buffer again.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "A handler of the signal has to cope with an address inside of a mapping of which the beginning is still there.",
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
    if rustix::fs::ftruncate(&memory, 4096).is_err() {
        return Ok("sealed by the compositor".to_owned());
    }
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
