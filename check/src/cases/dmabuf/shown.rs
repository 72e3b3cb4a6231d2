//! What all of it is for.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.shown",
    does: "Makes a dma-buf of udmabuf, creates an XRGB8888 buffer of it by create, and shows it.",
    must: "The buffer is made and shown.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_buffer_params_v1.create",
    matters: "Without it every frame of video and of each GPU is copied.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut dmabufs = session.dmabufs()?;
    let window = dmabufs.client.window()?;
    let (buffer, _dmabuf, _pages) = dmabufs.square()?;
    dmabufs.client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
