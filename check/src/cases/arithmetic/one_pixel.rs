//! The smallest picture.

use crate::numbers::pattern;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.one-pixel",
    does: "Shows a buffer of one pixel in a pool of four bytes.",
    must: "The buffer is shown, with the right pixels where one can look.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Toolkits scale one pixel to the size of a window.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.show_pixels(4, (0, 1, 1, 4), &pattern(1, 1))
}
