//! An offset that is a multiple of the pixel, and of nothing else.

use crate::numbers::{POOL, pattern};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-of-odd-words",
    does: "Shows a buffer at an offset of 4 bytes.",
    must: "The buffer is shown, with the right pixels where one can look.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "A mapping begins with a page; who maps each buffer by itself has to add the rest.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.show_pixels(POOL, (4, 16, 16, 64), &pattern(16, 16))
}
