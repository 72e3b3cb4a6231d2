//! The stride is less than a row by one byte, at the end of the pool: the last pixel is not all there.

use crate::numbers::POOL;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-one-byte-short",
    does: "Shows a buffer in which each row is one byte shorter than its pixels, at the very end of its pool.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Who checks stride times height only reads behind the pool for the last row.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(POOL, (POOL - 16 * 63, 16, 16, 63))
}
