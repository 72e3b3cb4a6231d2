//! The mapping may move, and those who hold an address in it must be told.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-keeps-old-buffers",
    does: "Shows a buffer, makes the pool 256 times as large, and shows the same buffer again and again, beside one in the new part.",
    must: "Both buffers are shown.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "A compositor that kept a pointer to the pixels across a resize was ended by an ordinary program.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    let old = client.buffer(&pool, SIDE, SIDE);
    client.present(&window.surface, &old)?;
    rustix::fs::ftruncate(&memory, 256 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    pool.resize(256 * BYTES);
    let new = client.buffer_at(&pool, (255 * BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    for _ in 0..2 {
        client.present(&window.surface, &old)?;
        client.present(&window.surface, &new)?;
    }
    Ok("shown".to_owned())
}
