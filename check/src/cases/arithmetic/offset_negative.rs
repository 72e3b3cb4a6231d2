//! A buffer cannot begin before its pool.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-negative",
    does: "Creates a buffer four bytes before the beginning of its pool.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "What lies before a mapping is somebody else's memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (-4, 16, 16, 64), &misplaced())
}
