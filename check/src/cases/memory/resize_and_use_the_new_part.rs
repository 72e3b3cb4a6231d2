//! What resize is for.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-and-use-the-new-part",
    does: "Makes a sealed file and then its pool twice as large, and shows a buffer in the new half.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "Every cursor theme is loaded in this way.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    rustix::fs::ftruncate(&memory, 2 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    pool.resize(2 * BYTES);
    let buffer = client.buffer_at(&pool, (BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
