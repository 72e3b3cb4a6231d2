//! The old mapping may be for writing; a new one may not.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-after-write-seal",
    does: "Shows a buffer, adds F_SEAL_FUTURE_WRITE, makes the file and the pool larger, and shows a buffer in the new part.",
    must: "The buffer is shown, or the client is ended with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm_pool.resize; fcntl(2), F_SEAL_FUTURE_WRITE",
    matters: "Mapping at the creation succeeded, and mapping at the resize fails: the answer has to be looked at each time.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(resize(session), &share::invalid_fd())
}

fn resize(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    client.present(&window.surface, &buffer)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::FUTURE_WRITE)
        .map_err(memory::cannot("add F_SEAL_FUTURE_WRITE"))?;
    rustix::fs::ftruncate(&memory, 256 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    pool.resize(256 * BYTES);
    let buffer = client.buffer_at(&pool, (255 * BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
