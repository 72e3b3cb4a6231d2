//! Nothing can be mapped of nothing: mmap(2) wants a length.

use crate::numbers::misplaced;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.pool-of-no-bytes",
    does: "Creates a pool of 0 bytes.",
    must: "The client is ended with wl_shm.invalid_stride, or another error of wl_shm.",
    reference: "wayland.xml, wl_shm.create_pool, wl_shm.error.invalid_stride",
    matters: "A compositor that passes the number on to mmap gets an error where it may not look for one.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    client.pool(&shm, &memory, 0);
    client.must_be_refused(&misplaced())
}
