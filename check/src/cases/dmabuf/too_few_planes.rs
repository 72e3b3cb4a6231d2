//! The format says how many planes there are.

use crate::cases::prelude::*;
use crate::dmabufs::{self, NV12, STRIDE};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.too-few-planes",
    does: "Creates an NV12 buffer, which has two planes, of one.",
    must: "The parameters are answered with failed, or the client is ended with incomplete, or invalid_format where NV12 is not offered.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, incomplete",
    matters: "The second plane is read where there is none.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    session.must_make_nothing(
        &[(&fd, 0, STRIDE)],
        (SIDE, SIDE),
        NV12,
        &[Error::Incomplete, Error::InvalidFormat],
    )
}
