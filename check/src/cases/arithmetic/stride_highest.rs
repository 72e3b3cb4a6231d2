//! One row that is longer than its pool.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-highest",
    does: "Creates a buffer of one row with a stride of 2147483647.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Rounded up to a multiple of anything it leaves 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, 16, 1, i32::MAX), &missized())
}
