//! The client seals when the pool is made already, which proves nothing of what came before.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-after-the-pool",
    does: "Makes a pool of an unsealed memfd, adds F_SEAL_SHRINK afterwards, and shows a buffer.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "Seals can be added at any time and never removed; a compositor may be glad of one, and must not trip over it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(seal(session), &share::invalid_fd())
}

fn seal(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::empty()))?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    client.roundtrip()?;
    // The compositor may have done so itself.
    let _ = rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK);
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
