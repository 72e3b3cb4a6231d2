//! The client claims what is not there, and nothing vouches for it.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-past-unsealed-file",
    does: "Resizes a pool in unsealed memory to sixteen times its file, and shows a buffer in the part that is not there.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.resize; mmap(2), SIGBUS",
    matters: "The size has to be asked again at each resize, or the reads have to be guarded.",
    danger: Some("compositors without a SIGBUS handler end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(resize(session), &share::invalid_fd())
}

fn resize(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::empty()))?;
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
