//! As libwayland's cursor loader does it: from 4 KiB to 2 MiB, doubling.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-many-times",
    does: "Resizes a sealed pool nine times, each time to twice its size, and shows a buffer at its end each time.",
    must: "Each of the buffers is shown.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "Each resize is a new mapping; none may be forgotten, and none may be unmapped while it is read.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(4096)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, 4096);
    for size in (0..=9).map(|doubled| 4096 << doubled) {
        rustix::fs::ftruncate(&memory, size as u64).map_err(memory::cannot("make a memfd larger"))?;
        pool.resize(size);
        let layout = (size - 4096, 32, 32, 32 * 4);
        let buffer = client.buffer_at(&pool, layout, wl_shm::Format::Xrgb8888);
        client.present(&window.surface, &buffer)?;
    }
    Ok("shown".to_owned())
}
