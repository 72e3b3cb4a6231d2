//! A modifier says how pixels are arranged; those that are not known cannot be read.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{Error, Flags};

pub(super) const CASE: Case = Case {
    id: "dmabuf.modifier-not-offered",
    does: "Creates a buffer with a modifier of a vendor that does not exist.",
    must: "The parameters are answered with failed, or the client is ended with invalid_format or invalid_wl_buffer.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.add, invalid_format",
    matters: "A compositor that ignores the modifier shows noise, and reads beyond the end where the real layout is smaller.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], 0x7f00_0000_0000_0001);
    let made = dmabufs.create(&params, (SIDE, SIDE), XR24, Flags::empty());
    dmabufs::nothing(made, &[Error::InvalidFormat, Error::InvalidWlBuffer])
}
