//! A seal says that memory will not become smaller than it is, not that it is as large as somebody claims.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-past-sealed-file",
    does: "Resizes a pool in sealed memory to sixteen times its file, and shows a buffer in the part that is not there.",
    must: "The client may be ended with wl_shm.invalid_fd; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.resize; fcntl(2), F_SEAL_SHRINK; mmap(2), SIGBUS",
    matters: "A library that trusts the seal and forgets to ask for the size again reads where there is nothing, unguarded.",
    danger: Some("compositors with libwayland 1.21 end with SIGBUS"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(resize(session), &[Refusal::shm(wl_shm::Error::InvalidFd)])
}

fn resize(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    pool.resize(16 * BYTES);
    let layout = (8 * BYTES, SIDE, SIDE, SIDE * 4);
    let buffer = client.buffer_at(&pool, layout, wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
