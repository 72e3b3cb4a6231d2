//! Offset and size are both possible; only their sum is not.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.end-wraps",
    does: "Creates a buffer of 2147483520 bytes at offset 128, which together is 2 to the power of 31.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "A sum in 32 bits becomes negative, and so smaller than the pool.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (128, 32, i32::MAX / 128, 128), &misplaced())
}
