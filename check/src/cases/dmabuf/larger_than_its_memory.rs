//! The one number that a client cannot make true by saying it.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.larger-than-its-memory",
    does: "Creates a buffer of 64 by 65 pixels in a dma-buf that holds 64 by 64.",
    must: "The parameters are answered with failed, or the client is ended with out_of_bounds or invalid_wl_buffer.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.error, out_of_bounds",
    matters: "The row that is not there is read all the same: by a driver, from pages of somebody else.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(BYTES as u64)?;
    let planes = [(&fd, 0, STRIDE)];
    session.must_make_nothing(&planes, (SIDE, SIDE + 1), XR24, &[Error::OutOfBounds, Error::InvalidWlBuffer])
}
