//! Parameters make one buffer.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE, XR24, refusal};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{Error, Flags};

pub(super) const CASE: Case = Case {
    id: "dmabuf.create-twice",
    does: "Creates a buffer of the same parameters a second time.",
    must: "The client is ended with already_used.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, already_used",
    matters: "What was handed over to the first buffer is not there any more, or belongs to two.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    dmabufs.create(&params, (SIDE, SIDE), XR24, Flags::empty())?;
    params.create(SIDE, SIDE, XR24, Flags::empty());
    dmabufs.client.must_be_refused(&[refusal(Error::AlreadyUsed)])
}
