//! Pools only grow.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-to-zero",
    does: "Resizes a pool to nothing, and shows a buffer that was made before.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "A mapping of no bytes does not exist (mmap(2), EINVAL), and one well-used library has ended over it.",
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
    pool.resize(0);
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
