//! A format that does not exist is never offered.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.format-not-offered",
    does: "Creates a buffer of a format that does not exist.",
    must: "The parameters are answered with failed, or the client is ended with invalid_format.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.add and create, invalid_format",
    matters: "How many bytes a pixel has is looked up by the format, and what is not found may count as 0.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let none = dmabufs::fourcc(b"\0\0\x01\x7f");
    session.must_make_nothing(&[(&fd, 0, STRIDE)], (SIDE, SIDE), none, &[Error::InvalidFormat])
}
