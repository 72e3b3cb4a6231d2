//! The second fd for a plane has no place to go.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE, refusal};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.plane-added-twice",
    does: "Adds plane 0 twice.",
    must: "The client is ended with plane_set.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.add, plane_set",
    matters: "Where the second replaces the first, the first fd is never closed.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    dmabufs::add(&params, (&fd, 0, STRIDE), 0, LINEAR);
    dmabufs.client.must_be_refused(&[refusal(Error::PlaneSet)])
}
