//! One column that is as high as a hundred screens.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.column-very-tall",
    does: "Shows a buffer of 1 by 131072 pixels.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Coordinates in 16 bits, which pixel libraries have, end at 32767.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(0x8_0000, (0, 1, 0x2_0000, 4))
}
