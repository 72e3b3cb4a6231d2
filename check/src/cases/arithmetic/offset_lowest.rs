//! As far before the pool as can be said.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-lowest",
    does: "Creates a buffer at offset -2147483648.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "A sum with it may wrap around to a place that looks right.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (i32::MIN, 16, 16, 64), &misplaced())
}
