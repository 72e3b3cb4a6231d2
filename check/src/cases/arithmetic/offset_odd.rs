//! Pixels that do not lie on a multiple of their size.

use crate::numbers::POOL;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-odd",
    does: "Shows a buffer at an offset of 1 byte.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "What reads words where there are none is undefined in C, and a fault on some processors.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(POOL, (1, 16, 16, 64))
}
