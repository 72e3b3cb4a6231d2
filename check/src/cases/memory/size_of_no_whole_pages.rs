//! Pixels do not come in pages.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.size-of-no-whole-pages",
    does: "Makes a pool of a sealed file of 14400 bytes, which are three and a half pages, and shows a buffer of all of it.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm.create_pool; mmap(2), NOTES",
    matters: "A mapping ends with a page, a picture anywhere; sizes that are rounded down cut the last rows off, and rounded up they miss the file.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let size = 60 * 60 * 4;
    let memory = memory::sealed(size as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, memory, size);
    let buffer = client.buffer(&pool, 60, 60);
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
