//! Rows that do not begin with a whole pixel.

use crate::numbers::POOL;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-odd",
    does: "Shows a buffer with a stride of 67 bytes for rows of 64.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Pixel libraries want whole words, and give nothing back where they do not get them.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(POOL, (0, 16, 16, 67))
}
