//! The edge, from the right side.

use crate::numbers::{POOL, pattern};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.ends-with-pool",
    does: "Shows a buffer that ends with the last byte of its pool.",
    must: "The buffer is shown, with the right pixels where one can look.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "A check that is one too strict refuses clients that use their memory up.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.show_pixels(POOL, (0, 32, 32, 128), &pattern(32, 32))
}
