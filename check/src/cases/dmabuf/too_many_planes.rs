//! And no more than that.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.too-many-planes",
    does: "Creates an XRGB8888 buffer, which has one plane, of three.",
    must: "The parameters are answered with failed, or the client is ended with incomplete, whether it asks by create or create_immed.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.error, incomplete (missing or too many planes)",
    matters: "Planes that are not looked at are kept by nobody, or for ever.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let planes = [(&fd, 0, STRIDE), (&fd, 0, STRIDE), (&fd, 0, STRIDE)];
    session.must_make_nothing(&planes, (SIDE, SIDE), XR24, &[Error::Incomplete])
}
