//! A file on whatever /tmp is: a disk, a tmpfs, an overlay.

use std::path::Path;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.unlinked-file-in-tmp",
    does: "Shows a buffer in a file in /tmp that has no name (O_TMPFILE, or unlinked).",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; open(2), O_TMPFILE",
    matters: "Reading a page of a file may wait for a disk; a compositor may refuse it, but must not choke on it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, memory::file_in(Path::new("/tmp"), BYTES as u64)?)
}
