//! The pool ends with the last pixel, not with the last row's stride.

use crate::numbers::{misplaced, pattern};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.last-row-short",
    does: "Shows a buffer of which only the padding of the last row is beyond the pool.",
    must: "The buffer is shown, or the client is ended with an error of wl_shm.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "No pixel is missing, but who copies whole rows copies what is not there.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let size = 8192 + 64;
    done_or_refused(session.show_pixels(size, (0, 16, 2, 8192), &pattern(16, 2)), &misplaced())
}
