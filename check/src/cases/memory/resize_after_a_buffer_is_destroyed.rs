//! The picture on the screen is of a buffer that is no more, in a pool that moves.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-after-a-buffer-is-destroyed",
    does: "Shows a buffer and destroys it, makes the pool larger, and shows a buffer in the new part.",
    must: "Both buffers are shown.",
    reference: "wayland.xml, wl_shm_pool.resize; wl_surface.attach",
    matters: "A library that puts the resize off until the old picture is gone takes the new buffer for one that is too large.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    client.present(&window.surface, &buffer)?;
    buffer.destroy();
    client.roundtrip()?;
    rustix::fs::ftruncate(&memory, 2 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    pool.resize(2 * BYTES);
    let buffer = client.buffer_at(&pool, (BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
