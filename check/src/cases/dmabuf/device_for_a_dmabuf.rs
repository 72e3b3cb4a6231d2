//! A device answers any ioctl in its own way.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};

pub(super) const CASE: Case = Case {
    id: "dmabuf.device-for-a-dmabuf",
    does: "Creates a buffer of /dev/null.",
    must: "The parameters are answered with failed, or the client is ended with an error of the parameters; no buffer is made.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, create_immed, invalid_wl_buffer",
    matters: "The numbers of ioctls mean something else to each device.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .map_err(memory::cannot("open /dev/null"))?;
    session.must_make_nothing(&[(&fd, 0, STRIDE)], (SIDE, SIDE), XR24, &dmabufs::SENSELESS)
}
