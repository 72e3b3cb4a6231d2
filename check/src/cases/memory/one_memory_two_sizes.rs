//! Two views of one file, of which each has its own end.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.one-memory-two-sizes",
    does: "Makes a pool of all of a sealed file and one of its first quarter, resizes the smaller one to the half, and shows a buffer at each end.",
    must: "Both buffers are shown.",
    reference: "wayland.xml, wl_shm.create_pool and wl_shm_pool.resize",
    matters: "The size belongs to the pool and not to the file; a table of files would keep one of the two.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(4 * BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let small = client.pool(&shm, &memory, BYTES);
    let large = client.pool(&shm, &memory, 4 * BYTES);
    small.resize(2 * BYTES);
    for (pool, offset) in [(&small, BYTES), (&large, 3 * BYTES)] {
        let layout = (offset, SIDE, SIDE, SIDE * 4);
        let buffer = client.buffer_at(pool, layout, wl_shm::Format::Xrgb8888);
        client.present(&window.surface, &buffer)?;
    }
    Ok("shown".to_owned())
}
