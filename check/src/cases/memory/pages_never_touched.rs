//! A pool as foot makes it: half a gibibyte of holes, and one small picture somewhere in it.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.pages-never-touched",
    does: "Makes a sealed pool of 512 MiB of which no page is there, and shows a small buffer in its middle.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm.create_pool; memfd_create(2); mmap(2)",
    matters: "It costs nobody anything as long as nobody touches all of it, so no limit may be set by what a pool could hold.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let size = 512 << 20;
    let memory = memory::sealed(size as u64)?;
    memory::write_pixels(&memory, size as u64 / 2, &[0xff80_8080; (SIDE * SIDE) as usize])?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, &memory, size);
    let layout = (size / 2, SIDE, SIDE, SIDE * 4);
    let buffer = client.buffer_at(&pool, layout, wl_shm::Format::Xrgb8888);
    client.present(&window.surface, &buffer)?;
    let there = rustix::fs::fstat(&memory).map_err(memory::cannot("look at a memfd"))?.st_blocks / 2;
    Ok(format!("shown, and {there} KiB of the 512 MiB are there"))
}
