//! Between the check of the size and the first read there is time enough.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-before-first-commit",
    does: "Makes a buffer in an unsealed memfd, cuts the memfd to nothing, and shows the buffer.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "A size that was checked at create_pool proves nothing at the commit.",
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
    client.roundtrip()?;
    if rustix::fs::ftruncate(&memory, 0).is_err() {
        return Ok("sealed by the compositor".to_owned());
    }
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
