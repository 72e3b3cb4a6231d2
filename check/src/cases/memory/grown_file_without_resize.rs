//! The memory is there, and the pool does not reach so far.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.grown-file-without-resize",
    does: "Makes the sealed file of a pool larger, and a buffer beyond the end of the pool, without wl_shm_pool.resize.",
    must: "The client is ended with invalid_stride of wl_shm or wl_shm_pool.",
    reference: "wayland.xml, wl_shm_pool.create_buffer and wl_shm.error.invalid_stride",
    matters: "Who checks buffers against the file, and has mapped the pool, reads beyond the mapping.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let pool = client.pool(&shm, &memory, BYTES);
    client.roundtrip()?;
    rustix::fs::ftruncate(&memory, 4 * BYTES as u64).map_err(memory::cannot("make a memfd larger"))?;
    let layout = (2 * BYTES, SIDE, SIDE, SIDE * 4);
    client.buffer_at(&pool, layout, wl_shm::Format::Xrgb8888);
    client.must_be_refused(&[Refusal::shm(wl_shm::Error::InvalidStride)])
}
