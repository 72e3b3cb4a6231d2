//! Rows that lie gigabytes apart.

use crate::cases::prelude::*;
use crate::dmabufs::{self, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.stride-without-end",
    does: "Creates buffers whose stride is 4294967295 and 2147483648 bytes.",
    must: "The parameters are answered with failed, or the client is ended with out_of_bounds or invalid_wl_buffer.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.error, out_of_bounds",
    matters: "As a signed number such a stride is negative, and rows are read from before the memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(BYTES as u64)?;
    for stride in [u32::MAX, 1 << 31] {
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
