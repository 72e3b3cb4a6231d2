//! The file was large from the beginning, and the client closed it long ago.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-into-what-was-there",
    does: "Makes a pool of a part of a sealed file, closes its own fd, resizes the pool to the whole file, and shows a buffer at its end.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "The server has the fd passed at creation, and maps from that; the client owes it nothing more.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(16 * BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    client.roundtrip()?;
    drop(memory);
    pool.resize(16 * BYTES);
    let buffer = client.buffer_at(&pool, (15 * BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
