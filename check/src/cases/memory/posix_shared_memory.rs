//! What programs did before memfd_create(2), and many still do (grim, swaybg, mako).

use rustix::fs::Mode;
use rustix::shm::{self, OFlags};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.posix-shared-memory",
    does: "Shows a buffer in POSIX shared memory (a file in /dev/shm), opened by shm_open(3) and unlinked.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; shm_open(3)",
    matters: "It is shared memory like any other, and can never be sealed.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let name = format!("/selkie-check-{}", std::process::id());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let memory = shm::open(&name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(memory::cannot("make POSIX shared memory"))?;
    shm::unlink(&name).map_err(memory::cannot("unlink POSIX shared memory"))?;
    rustix::fs::ftruncate(&memory, BYTES as u64).map_err(memory::cannot("give shared memory its size"))?;
    share::show_or_refuse(session, memory)
}
