//! Rows with room between them, as graphics libraries make them.

use crate::numbers::{POOL, pattern};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-with-padding",
    does: "Shows a buffer of 16 by 16 pixels with a stride of 256 bytes.",
    must: "The buffer is shown, with the right pixels where one can look.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Who multiplies by the width in place of the stride shows a slanted picture.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.show_pixels(POOL, (0, 16, 16, 256), &pattern(16, 16))
}
