//! The right two steps in the wrong order.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-before-the-file-grows",
    does: "Resizes a pool to twice its sealed file, makes the file larger afterwards, and shows a buffer in the new half.",
    must: "The buffer is shown, or the client is ended with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm_pool.resize",
    matters: "A client's mistake that goes well as long as nobody looks, and must not end anybody else when somebody does.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(resize(session), &share::invalid_fd())
}

fn resize(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    pool.resize(2 * BYTES);
    client.roundtrip()?;
    rustix::fs::ftruncate(&memory, 2 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    let buffer = client.buffer_at(&pool, (BYTES, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
