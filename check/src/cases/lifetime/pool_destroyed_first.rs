//! What every client does: the pool is made for one buffer, and goes.

use crate::frames::{FIRST, paint};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.pool-destroyed-first",
    does: "Makes a buffer, destroys its pool and closes its fd, and only then shows the buffer.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm_pool.create_buffer: \"it is valid to destroy the pool immediately after creating a buffer from it\"",
    matters: "A compositor that unmaps with the pool reads where nothing is any more.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let memory = memory::sealed(BYTES as u64)?;
    paint(&memory, FIRST)?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let pool = client.pool(&shm, &memory, BYTES);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    pool.destroy();
    client.flush()?;
    drop(memory);
    client.roundtrip()?;
    let window = client.window()?;
    client.present(&window.surface, &buffer)?;
    client.must_see(|client| {
        client.follow(&window, &buffer)?;
        Ok(FIRST)
    })?;
    Ok("shown".to_owned())
}
