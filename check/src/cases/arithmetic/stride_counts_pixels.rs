//! A stride in pixels instead of bytes: the last row is there to a quarter.

use crate::numbers::POOL;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-counts-pixels",
    does: "Shows a buffer of 1024 pixels in a row, with a stride of 1024 bytes, at the very end of its pool.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "libwayland compares the stride with the width, without the bytes of a pixel, so others have to look again.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(POOL, (0, 1024, 4, 1024))
}
