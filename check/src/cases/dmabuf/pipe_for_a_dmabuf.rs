//! What has no size at all.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};

pub(super) const CASE: Case = Case {
    id: "dmabuf.pipe-for-a-dmabuf",
    does: "Creates a buffer of the reading end of a pipe.",
    must: "The parameters are answered with failed, or the client is ended with an error of the parameters; no buffer is made.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, create_immed, invalid_wl_buffer",
    matters: "The size of a pipe is 0 or an error, and so is what is computed from it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _other) = rustix::pipe::pipe().map_err(memory::cannot("make a pipe"))?;
    session.must_make_nothing(&[(&fd, 0, STRIDE)], (SIDE, SIDE), XR24, &dmabufs::SENSELESS)
}
