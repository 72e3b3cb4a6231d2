//! A width that becomes small when it is multiplied by the bytes of a pixel.

use crate::numbers::{POOL, missized};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.width-wraps",
    does: "Creates a buffer that is 1073741825 pixels wide, with a stride of 4 bytes.",
    must: "The client is ended with wl_shm.invalid_stride.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_stride",
    matters: "Four bytes times that width are 4 in 32 bits: just the stride that is claimed.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse(POOL, (0, 0x4000_0001, 1, 4), &missized())
}
