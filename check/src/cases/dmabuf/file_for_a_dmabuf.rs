//! A file in a directory: every question about it goes to its file system.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};

pub(super) const CASE: Case = Case {
    id: "dmabuf.file-for-a-dmabuf",
    does: "Creates a buffer of a file in /dev/shm.",
    must: "The parameters are answered with failed, or the client is ended with an error of the parameters; no buffer is made.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, create_immed, invalid_wl_buffer",
    matters: "A file's owner can be somebody who never answers.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = memory::file_in(std::path::Path::new("/dev/shm"), BYTES as u64)?;
    session.must_make_nothing(&[(&fd, 0, STRIDE)], (SIDE, SIDE), XR24, &dmabufs::SENSELESS)
}
