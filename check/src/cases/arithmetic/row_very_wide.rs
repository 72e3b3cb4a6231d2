//! One row that is as long as a hundred screens.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.row-very-wide",
    does: "Shows a buffer of 131072 by 1 pixels.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_shm_pool.create_buffer",
    matters: "Coordinates in 16 bits, which pixel libraries have, end at 32767.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.may_show(0x8_0000, (0, 0x2_0000, 1, 0x8_0000))
}
