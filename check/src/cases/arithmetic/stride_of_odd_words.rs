//! A stride that is a multiple of the pixel, and of nothing else.

use crate::numbers::{POOL, pattern};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-of-odd-words",
    does: "Shows a buffer of 16 by 16 pixels with a stride of 68 bytes.",
    must: "The buffer is shown, with the right pixels where one can look.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Graphics cards want more than that, but a client cannot know.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.show_pixels(POOL, (0, 16, 16, 68), &pattern(16, 16))
}
