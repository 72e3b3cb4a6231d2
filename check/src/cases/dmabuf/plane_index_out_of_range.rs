//! A plane number is an index into a short array.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE, refusal};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.plane-index-out-of-range",
    does: "Adds planes number 4 and 4294967295.",
    must: "Each ends the client with plane_idx.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.add, plane_idx",
    matters: "A number that is used as an index before it is checked is written to memory of somebody else.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    for index in [u32::MAX, 4] {
        let mut dmabufs = session.dmabufs()?;
        let params = dmabufs.params(&[], LINEAR);
        dmabufs::add(&params, (&fd, 0, STRIDE), index, LINEAR);
        dmabufs.client.must_be_refused(&[refusal(Error::PlaneIdx)])?;
    }
    Ok("refused: plane_idx".to_owned())
}
