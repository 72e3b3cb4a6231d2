//! Sizes are signed on the wire, and unsigned for the kernel.

use crate::numbers::misplaced;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.pool-of-negative-size",
    does: "Creates a pool of -4096 bytes.",
    must: "The client is ended with wl_shm.invalid_stride, or another error of wl_shm.",
    reference: "wayland.xml, wl_shm.create_pool, wl_shm.error.invalid_stride",
    matters: "As an unsigned number it is close to 16 EiB, and every bound that is computed from it is wrong.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    client.pool(&shm, &memory, -4096);
    client.must_be_refused(&misplaced())
}
