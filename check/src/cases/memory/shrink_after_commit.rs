//! The attack that sealing was invented against.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.shrink-after-commit",
    does: "Shows a buffer in an unsealed memfd, cuts the memfd to nothing, and has the whole surface drawn again.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm.error.invalid_fd; mmap(2), SIGBUS",
    matters: "A compositor that reads such memory without a guard is killed by any client that wants it dead.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(shrink(session), &[Refusal::shm(wl_shm::Error::InvalidFd)])
}

fn shrink(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(rustix::fs::SealFlags::empty()))?;
    let mut client = session.connect()?;
    let buffer = client.square_of(&memory)?;
    let window = client.window()?;
    client.present(&window.surface, &buffer)?;
    if rustix::fs::ftruncate(&memory, 0).is_err() {
        return Ok("sealed by the compositor".to_owned());
    }
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
