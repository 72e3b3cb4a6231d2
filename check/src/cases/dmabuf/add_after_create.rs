//! Parameters that have made a buffer can only be destroyed.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE, XR24, refusal};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{Error, Flags};

pub(super) const CASE: Case = Case {
    id: "dmabuf.add-after-create",
    does: "Adds plane 1 to parameters of which a buffer has been asked.",
    must: "The client is ended with already_used.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, already_used",
    matters: "A plane that comes too late changes a buffer behind the back of whoever has checked it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    dmabufs.create(&params, (SIDE, SIDE), XR24, Flags::empty())?;
    dmabufs::add(&params, (&fd, 0, STRIDE), 1, LINEAR);
    dmabufs.client.must_be_refused(&[refusal(Error::AlreadyUsed)])
}
