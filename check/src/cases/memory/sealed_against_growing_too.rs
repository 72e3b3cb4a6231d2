//! What foot and Qt hand over.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-against-growing-too",
    does: "Shows a buffer in a memfd that carries F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing",
    matters: "Terminals and toolkits in daily use seal their memory so; its size is as fixed as can be.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show(
        session,
        memory::memfd(BYTES as u64, Some(SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL))?,
    )
}
