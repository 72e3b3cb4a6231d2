//! Wider than its rows, by far.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.width-highest",
    does: "Creates a buffer that is 2147483647 pixels wide, with a stride of 64 bytes.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Four times that is -4 in 32 bits, and -4 is smaller than any stride.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, i32::MAX, 16, 64), &missized())
}
