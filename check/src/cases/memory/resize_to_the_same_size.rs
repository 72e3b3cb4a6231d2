//! Nothing changes, and nothing may.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-to-the-same-size",
    does: "Resizes a pool to the size that it has, twice, and shows a buffer that was made before and one that was made after.",
    must: "Both buffers are shown.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "A toolkit that rounds sizes up asks for this; it makes the pool no smaller.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    let before = client.buffer(&pool, SIDE, SIDE);
    pool.resize(BYTES);
    pool.resize(BYTES);
    let after = client.buffer(&pool, SIDE, SIDE);
    client.present(&window.surface, &before)?;
    client.present(&window.surface, &after)?;
    Ok("shown".to_owned())
}
