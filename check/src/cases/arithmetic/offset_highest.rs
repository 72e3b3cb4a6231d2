//! As far behind the pool as can be said.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-highest",
    does: "Creates a buffer at offset 2147483647.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "The offset and the size of the buffer together leave 32 bits, and become negative: smaller than any pool.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (i32::MAX, 16, 16, 64), &misplaced())
}
