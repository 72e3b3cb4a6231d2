//! Where a plane begins is a number of the client's.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.offset-beyond-its-memory",
    does: "Creates buffers that begin at the end of their dma-buf, and at byte 4294967292.",
    must: "The parameters are answered with failed, or the client is ended with out_of_bounds or invalid_wl_buffer.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.error, out_of_bounds",
    matters: "An offset that is added in 32 bits comes round to the beginning, and passes.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(BYTES as u64)?;
    for offset in [BYTES as u32, u32::MAX - 3] {
        let planes = [(&fd, offset, STRIDE)];
        session.must_make_nothing(
            &planes,
            (SIDE, SIDE),
            XR24,
            &[Error::OutOfBounds, Error::InvalidWlBuffer],
        )?;
    }
    Ok("refused".to_owned())
}
