//! What GTK 3 hands over: made without MFD_ALLOW_SEALING, it has F_SEAL_SEAL, which looks like a seal to a careless
//! eye.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.memfd-that-cannot-be-sealed",
    does: "Shows a buffer in a memfd made without MFD_ALLOW_SEALING.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing; memfd_create(2), MFD_ALLOW_SEALING",
    matters: "Every GTK 3 program does this; and who takes the one seal that it carries for protection is wrong.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::memfd(BYTES as u64, None)?)
}
