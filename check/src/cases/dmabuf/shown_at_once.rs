//! Without waiting for an answer, as Mesa does.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, Made, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Error;

pub(super) const CASE: Case = Case {
    id: "dmabuf.shown-at-once",
    does: "Creates a buffer of a dma-buf by create_immed, and shows it.",
    must: "The buffer is shown, or said to have failed.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create_immed",
    matters: "All GL and Vulkan clients make their buffers so.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(BYTES as u64)?;
    let mut dmabufs = session.dmabufs()?;
    let window = dmabufs.client.window()?;
    let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
    match dmabufs.create_immed(&params, (SIDE, SIDE), XR24) {
        Ok(Made::Created(buffer)) => {
            params.destroy();
            dmabufs.client.present(&window.surface, &buffer)?;
            Ok("shown".to_owned())
        }
        made => dmabufs::nothing(made, &[Error::InvalidWlBuffer]),
    }
}
