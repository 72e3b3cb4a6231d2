//! Nothing says that a file belongs to one pool.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.many-pools-on-one-memory",
    does: "Makes a hundred pools of one sealed fd and a buffer in each, and shows some of them.",
    must: "The buffers are shown.",
    reference: "wayland.xml, wl_shm.create_pool",
    matters: "Who looks memory up by its file mixes pools up, or counts what it has mapped a hundred times.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let mut buffers = Vec::new();
    for _ in 0..100 {
        let pool = client.pool(&shm, &memory, BYTES);
        buffers.push(client.buffer(&pool, SIDE, SIDE));
        pool.destroy();
    }
    for buffer in buffers.iter().step_by(25) {
        client.present(&window.surface, buffer)?;
    }
    Ok("shown".to_owned())
}
