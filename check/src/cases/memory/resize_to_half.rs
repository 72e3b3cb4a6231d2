//! Pools only grow.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-to-half",
    does: "Resizes a pool to half its size, and shows a buffer that was made before.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "The request says that it can only make a pool bigger; a compositor that obeys all the same cuts a buffer off.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::done_or_any_error(resize(session))
}

fn resize(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    pool.resize(BYTES / 2);
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
