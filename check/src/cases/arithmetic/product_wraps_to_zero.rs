//! Stride times height is 2 to the power of 32.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.product-wraps-to-zero",
    does: "Creates a buffer of 65536 rows of 65536 bytes in a pool of 4096.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "In 32 bits it is nothing, and nothing fits everywhere.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, 16, 0x1_0000, 0x1_0000), &missized())
}
