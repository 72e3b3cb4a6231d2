//! The two formats that everybody has have numbers of their own in wl_shm.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.format-as-fourcc",
    does: "Creates a buffer of format 0x34325241, which is argb8888 everywhere but in wl_shm.",
    must: "The client is ended with wl_shm.invalid_format.",
    reference: "wayland.xml, wl_shm_pool.create_buffer, wl_shm_pool.error.invalid_format",
    matters: "It is never offered; who takes it all the same has two names for one thing, and may know the size for one of them only.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.must_refuse_number(0x3432_5241)
}
