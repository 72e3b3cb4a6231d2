//! A picture without a row.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.height-zero",
    does: "Creates a buffer that is 0 pixels high.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Scaling divides by the height.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, 16, 0, 64), &missized())
}
