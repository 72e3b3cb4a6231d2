//! The one number that has no opposite.

use crate::numbers::misplaced;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.pool-of-lowest-size",
    does: "Creates a pool of -2147483648 bytes.",
    must: "The client is ended with wl_shm.invalid_stride, or another error of wl_shm.",
    reference: "wayland.xml, wl_shm.create_pool, wl_shm.error.invalid_stride",
    matters: "Its absolute value is itself, and negating it overflows.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    client.pool(&shm, &memory, i32::MIN);
    client.must_be_refused(&misplaced())
}
