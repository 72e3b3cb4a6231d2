//! The pool goes while its buffer is on the screen.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.pool-destroyed-while-shown",
    does: "Destroys the pool of a buffer that is shown, and has all of it drawn again.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm_pool.destroy: \"when all buffers that have been created from this pool are gone\"",
    matters: "The next frame reads the memory again, if nobody has made a copy.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let memory = memory::sealed(BYTES as u64)?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let pool = client.pool(&shm, &memory, BYTES);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    let window = client.window()?;
    client.present(&window.surface, &buffer)?;
    pool.destroy();
    client.roundtrip()?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
