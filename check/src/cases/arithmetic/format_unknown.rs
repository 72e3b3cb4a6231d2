//! A number that is no format, and never will be.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.format-unknown",
    does: "Creates a buffer of format 0xdeadbeef, which nobody offers.",
    must: "The client is ended with wl_shm.invalid_format.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_format",
    matters: "A table that is looked up without a default ends the program.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse_number(0xdead_beef)
}
