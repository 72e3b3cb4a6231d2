//! A client that has drawn nothing yet and shows it.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.large-buffer-of-holes",
    does: "Shows a buffer of 2048 by 2048 pixels in sealed memory of which no page was ever written.",
    must: "The buffer is shown; holes read as zeros.",
    reference: "wayland.xml, wl_shm_pool.create_buffer; memfd_create(2)",
    matters: "Each page that is read comes into being at that moment, and 16 MiB of them want time and memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let side = 2048;
    let memory = memory::sealed(side as u64 * side as u64 * 4)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, memory, side * side * 4);
    let buffer = client.buffer(&pool, side, side);
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
