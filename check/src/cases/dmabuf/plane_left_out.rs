//! Planes are numbered without a gap.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, NV12, STRIDE};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{Error, Flags};

pub(super) const CASE: Case = Case {
    id: "dmabuf.plane-left-out",
    does: "Creates an NV12 buffer of planes 0 and 2.",
    must: "The parameters are answered with failed, or the client is ended with incomplete, or invalid_format where NV12 is not offered.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, incomplete",
    matters: "Where planes are counted but not looked at, the gap is read as if it were a plane.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    dmabufs::add(&params, (&fd, 0, STRIDE), 2, LINEAR);
    let made = dmabufs.create(&params, (SIDE, SIDE / 2), NV12, Flags::empty());
    dmabufs::nothing(made, &[Error::Incomplete, Error::InvalidFormat])
}
