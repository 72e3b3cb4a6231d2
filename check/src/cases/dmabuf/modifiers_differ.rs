//! A buffer is arranged in one way.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, NV12, STRIDE};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{Error, Flags};

pub(super) const CASE: Case = Case {
    id: "dmabuf.modifiers-differ",
    does: "Creates an NV12 buffer with another modifier for the second plane.",
    must: "The parameters are answered with failed, or the client is ended with invalid_format.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.add, invalid_format",
    matters: "Only the first plane's modifier may be checked, and the second one's used.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    dmabufs::add(&params, (&fd, 0, STRIDE), 1, 0x7f00_0000_0000_0001);
    let made = dmabufs.create(&params, (SIDE, SIDE / 2), NV12, Flags::empty());
    dmabufs::nothing(made, &[Error::InvalidFormat])
}
