//! The one number that has no opposite, and cannot be divided by -1.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-lowest",
    does: "Creates a buffer with a stride of -2147483648.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Dividing or negating it overflows, which on some processors ends the program.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, 16, 16, i32::MIN), &missized())
}
