//! The oldest way: weston's clients made a file in XDG_RUNTIME_DIR.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.file-in-runtime-directory",
    does: "Shows a buffer in a file that has a name in the directory of the compositor's socket.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; mmap(2)",
    matters: "SDL's cursors are made like this, and others can open the file by its name.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let dir = session.socket.parent().ok_or_else(|| Stop::skip("the socket is in no directory"))?;
    let file = tempfile::Builder::new().prefix("selkie-check-").tempfile_in(dir);
    let file = file.map_err(memory::cannot("make a file beside the socket"))?;
    file.as_file().set_len(BYTES as u64).map_err(memory::cannot("give a file its size"))?;
    share::show_or_refuse(session, file.as_file())
}
