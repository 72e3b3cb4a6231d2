//! Flags of a protocol that is yet to be written.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, Made, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags;

pub(super) const CASE: Case = Case {
    id: "dmabuf.flags-unknown",
    does: "Creates a buffer with all 32 flags set.",
    must: "The parameters are answered with failed, or the client is ended with an error of the parameters, or the buffer is made; the compositor goes on.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.flags",
    matters: "What is not known today may be a promise tomorrow.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = dmabufs::any()?;
    let mut dmabufs = session.dmabufs()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    match dmabufs.create(&params, (SIDE, SIDE), XR24, Flags::from_bits_retain(u32::MAX)) {
        Ok(Made::Created(_)) => Ok("created".to_owned()),
        made => dmabufs::nothing(made, &dmabufs::SENSELESS),
    }
}
