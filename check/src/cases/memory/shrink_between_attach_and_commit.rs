//! The buffer is attached, the compositor knows of it, and then there is nothing in it.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-between-attach-and-commit",
    does: "Attaches a buffer in an unsealed memfd, cuts the memfd to nothing, and commits.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "Whatever is looked at when a buffer is attached has to be looked at again when it is read.",
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
    window.surface.attach(Some(&buffer), 0, 0);
    client.roundtrip()?;
    if rustix::fs::ftruncate(&memory, 0).is_err() {
        return Ok("sealed by the compositor".to_owned());
    }
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
