//! Memory that is no dma-buf: it has a size, and can be mapped.

use crate::cases::prelude::*;
use crate::dmabufs::{self, STRIDE, XR24};

pub(super) const CASE: Case = Case {
    id: "dmabuf.memfd-for-a-dmabuf",
    does: "Creates a buffer of a memfd that is large enough and not sealed.",
    must: "The parameters are answered with failed, or the client is ended with an error of the parameters; no buffer is made.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create, create_immed, invalid_wl_buffer",
    matters: "Whoever just maps what comes as a dma-buf has memory that can be taken away, where nobody expects it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let fd = memory::memfd(BYTES as u64, Some(rustix::fs::SealFlags::empty()))?;
    session.must_make_nothing(&[(&fd, 0, STRIDE)], (SIDE, SIDE), XR24, &dmabufs::SENSELESS)
}
