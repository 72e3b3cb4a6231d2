//! The largest numbers there are.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.size-without-end",
    does: "Creates buffers of 64 by 2147483647 and of 2147483647 squared pixels in memory for 64 by 64.",
    must: "The parameters are answered with failed, or the client is ended with out_of_bounds, invalid_dimensions or invalid_wl_buffer.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, out_of_bounds",
    matters: "The product of a stride and a height does not fit in 32 bits, and what is left of it may fit in the buffer.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    for size in [(SIDE, i32::MAX), (i32::MAX, i32::MAX)] {
        session.must_make_nothing(&[(&fd, 0, STRIDE)], size, XR24, TOO_LARGE)?;
    }
    Ok("refused".to_owned())
}

const TOO_LARGE: &[Error] = &[Error::OutOfBounds, Error::InvalidDimensions, Error::InvalidWlBuffer];
