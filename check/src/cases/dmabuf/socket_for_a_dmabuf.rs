//! A socket: seeking in it, which is how the size of a dma-buf is asked, is an error.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};

pub(super) const CASE: Case = Case {
    id: "dmabuf.socket-for-a-dmabuf",
    does: "Creates a buffer of a socket whose other end stays open.",
    must: "The parameters are answered with failed, or the client is ended with an error of the parameters; no buffer is made.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, create_immed, invalid_wl_buffer",
    matters: "lseek(2) gives -1, which as a size without a sign is the largest there is.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _other) = std::os::unix::net::UnixStream::pair().map_err(memory::cannot("make sockets"))?;
    let fd = std::os::fd::OwnedFd::from(fd);
    session.must_make_nothing(&[(&fd, 0, STRIDE)], (SIDE, SIDE), XR24, &dmabufs::SENSELESS)
}
