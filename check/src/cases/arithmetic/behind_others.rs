//! Many buffers in one pool: the second begins where the first ends.

use crate::numbers::{POOL, pattern};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.behind-others",
    does: "Shows a buffer that begins in the middle of its pool and ends with it.",
    must: "The buffer is shown, with the right pixels where one can look.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Offsets are added twice, or not at all, where a pool is thought to be a buffer.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.show_pixels(2 * POOL, (POOL, 32, 32, 128), &pattern(32, 32))
}
