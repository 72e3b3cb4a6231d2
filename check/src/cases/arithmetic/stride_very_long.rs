//! A short row, and then nothing for 8 MiB.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.stride-very-long",
    does: "Shows a buffer of 16 by 2 pixels with a stride of 8 MiB.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Drivers have the stride in fewer bits than the protocol.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(0x100_0000, (0, 16, 2, 0x80_0000))
}
