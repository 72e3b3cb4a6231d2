//! What is checked of the first plane has to be checked of each.

use crate::cases::prelude::*;
use crate::dmabufs::{self, NV12};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.second-plane-beyond-its-memory",
    does: "Creates an NV12 buffer whose second plane ends beyond its dma-buf.",
    must: "The parameters are answered with failed, or the client is ended with out_of_bounds, invalid_wl_buffer, or invalid_format where NV12 is not offered.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.error, out_of_bounds",
    matters: "The planes of video are read as trustingly as any other.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(4096)?;
    let planes = [(&fd, 0, 64), (&fd, 4096 - 64, 64)];
    let errors = [Error::OutOfBounds, Error::InvalidWlBuffer, Error::InvalidFormat];
    session.must_make_nothing(&planes, (64, 32), NV12, &errors)
}
