//! Since Linux 6.3 a memfd that is not executable can be sealed so, and some distributions make it the default.

use rustix::fs::{Mode, SealFlags};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.sealed-against-execution",
    does: "Shows a buffer in a memfd that carries F_SEAL_SHRINK and F_SEAL_EXEC.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_shm.create_pool; fcntl(2), File Sealing; memfd_create(2), MFD_NOEXEC_SEAL",
    matters: "This seal comes with a setting of the kernel, not with the client, and says nothing of pixels.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::memfd(BYTES as u64, Some(SealFlags::SHRINK))?;
    // With the bit set, the seal would bring all the others with it.
    rustix::fs::fchmod(&memory, Mode::RUSR | Mode::WUSR)
        .map_err(memory::cannot("change the mode of a memfd"))?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::EXEC).map_err(memory::cannot("add F_SEAL_EXEC"))?;
    share::show(session, memory)
}
