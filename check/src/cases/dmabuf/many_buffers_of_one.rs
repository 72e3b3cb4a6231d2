//! The same dma-buf again and again.

use crate::cases::prelude::*;
use crate::dmabufs::{self, LINEAR, STRIDE, XR24};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags;

pub(super) const CASE: Case = Case {
    id: "dmabuf.many-buffers-of-one",
    does: "Makes 500 buffers of one dma-buf; an ordinary client shows frames meanwhile.",
    must: "The client may be ended with any error; the other is served, and nothing is kept of the first.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create",
    matters: "Importing the same dma-buf for each buffer, and keeping it, uses up address space and fds.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (fd, _pages) = dmabufs::udmabuf(BYTES as u64)?;
    let mut dmabufs = session.dmabufs()?;
    let mut bystander = session.bystander()?;
    let outcome = bystander.beside(|| {
        for _ in 0..500 {
            let params = dmabufs.params(&[(&fd, 0, STRIDE)], LINEAR);
            dmabufs.create(&params, (SIDE, SIDE), XR24, Flags::empty())?;
            params.destroy();
        }
        Ok(())
    })?;
    drop(dmabufs);
    bystander.is_served()?;
    outcome
}
