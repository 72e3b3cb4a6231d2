//! The client prepares for a larger window, and has not said so yet.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.file-grows-while-shown",
    does: "Shows a buffer, makes the sealed file sixteen times as large, and shows the buffer again.",
    must: "The buffer is shown both times.",
    reference: "wayland.xml, wl_shm_pool.resize; fcntl(2), F_SEAL_GROW",
    matters: "A file may become larger at any time; only wl_shm_pool.resize makes the pool larger.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    client.present(&window.surface, &buffer)?;
    rustix::fs::ftruncate(&memory, 16 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
