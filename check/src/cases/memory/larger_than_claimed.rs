//! Clients make files larger than they need, and pools as large as they need.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.larger-than-claimed",
    does: "Makes a pool of a quarter of a sealed file, and shows a buffer of all of the pool.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm.create_pool",
    matters: "The file must be at least as large as the pool, not exactly; toolkits round sizes up.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show(session, memory::sealed(4 * BYTES as u64)?)
}
