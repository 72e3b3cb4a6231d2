//! The buffer is attached before the pool moves, and read after it.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.resize-between-attach-and-commit",
    does: "Attaches a buffer, makes the pool 256 times as large, and commits.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm_pool.resize, wl_surface.commit",
    matters: "Whatever a compositor looks up when a buffer is attached is out of date at the commit.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, BYTES);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    window.surface.attach(Some(&buffer), 0, 0);
    window.surface.damage(0, 0, i32::MAX, i32::MAX);
    client.roundtrip()?;
    rustix::fs::ftruncate(&memory, 256 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    pool.resize(256 * BYTES);
    let frame = window.surface.frame(&client.qh(), ());
    let frame = client.note(frame);
    window.surface.commit();
    client.wait_for(&frame, 1)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
