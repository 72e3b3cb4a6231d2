//! The most ordinary mistake: the last row does not fit.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.end-beyond-pool",
    does: "Creates a buffer whose last pixel ends four bytes behind its pool.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "An edge that is one too far is read with every frame.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (4, 32, 32, 128), &misplaced())
}
