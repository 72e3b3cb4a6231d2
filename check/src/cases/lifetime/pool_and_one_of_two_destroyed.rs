//! Two buffers hold one pool; one goes, and the pool.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.pool-and-one-of-two-destroyed",
    does: "Destroys a pool and the first of its two buffers, and shows the second.",
    must: "The second is shown.",
    reference: "wayland.xml, wl_shm_pool.destroy: \"when all buffers that have been created from this pool are gone\"",
    matters: "A count that is one too low unmaps what is still used.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let memory = memory::sealed(2 * BYTES as u64)?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, 2 * BYTES);
    let first = client.buffer(&pool, SIDE, SIDE);
    let second = client.buffer_at(&pool, (BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &first)?;
    pool.destroy();
    first.destroy();
    client.roundtrip()?;
    client.present(&window.surface, &second)?;
    client.present(&window.surface, &second)?;
    Ok("shown".to_owned())
}
