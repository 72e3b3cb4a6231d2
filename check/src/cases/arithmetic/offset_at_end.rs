//! Where the pool ends there is nothing.

use crate::numbers::{POOL, misplaced};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-at-end",
    does: "Creates a buffer of one pixel that begins where its pool ends.",
    must: "The client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "It is the first byte that may belong to nobody, or to somebody else.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (POOL, 1, 1, 4), &misplaced())
}
