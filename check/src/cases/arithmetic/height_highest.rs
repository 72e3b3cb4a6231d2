//! Higher than its pool, by far.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.height-highest",
    does: "Creates a buffer that is 2147483647 pixels high, with a stride of 64 bytes.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Stride times height is -64 in 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, 16, i32::MAX, 64), &missized())
}
