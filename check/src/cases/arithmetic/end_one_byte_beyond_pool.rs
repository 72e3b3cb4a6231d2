//! The edge, to the byte.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.end-one-byte-beyond-pool",
    does: "Creates a buffer in a pool that is one byte too small for it.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "A comparison with the wrong sign of equality lets exactly this through.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL - 1, (0, 32, 32, 128), &misplaced())
}
