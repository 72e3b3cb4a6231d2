//! The one device that everybody may map: zeros, as many as one likes, and no size.

use std::fs::File;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.dev-zero",
    does: "Passes /dev/zero as the memory of a pool, and shows a buffer in it.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; zero(4); mmap(2)",
    matters: "It can be mapped but says that its size is 0; a compositor may trust either, and has to stick to it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let zero = File::options().read(true).write(true).open("/dev/zero");
    share::show_or_refuse(session, zero.map_err(memory::cannot("open /dev/zero"))?)
}
