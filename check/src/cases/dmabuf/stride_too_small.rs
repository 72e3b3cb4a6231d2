//! Rows that overlap.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.stride-too-small",
    does: "Creates buffers whose stride is 0, and one byte less than a row.",
    must: "The parameters are answered with failed, or the client is ended with out_of_bounds or invalid_wl_buffer.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create (bad stride), out_of_bounds",
    matters: "The last row reaches beyond what stride times height says.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(BYTES as u64)?;
    for stride in [0, STRIDE - 1] {
        let planes = [(&fd, 0, stride)];
        session.must_make_nothing(
            &planes,
            (SIDE, SIDE),
            XR24,
            &[Error::OutOfBounds, Error::InvalidWlBuffer],
        )?;
    }
    Ok("refused".to_owned())
}
