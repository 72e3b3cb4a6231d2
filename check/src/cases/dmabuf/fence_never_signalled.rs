//! Who draws never ends.

use crate::fences::Drawing;
use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.fence-never-signalled",
    does: "Commits a dma-buf whose fence is not signalled, and more after it; destroys the buffer, and goes.",
    must: "Others are served meanwhile and afterwards, and nothing of the client is kept.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1: \"compositors and clients must wait and signal fences implicitly passed \
                via the DMA-BUF's reservation mechanism\"",
    matters: "A GPU that hangs, or a client that means harm, would take the desktop with it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut dmabufs = session.dmabufs()?;
    let (buffer, dmabuf, pages) = dmabufs.square()?;
    let mut bystander = session.bystander()?;
    let (window, _) = dmabufs.client.shown_window()?;
    let drawing = Drawing::begin(&dmabuf)?;
    dmabufs.client.submit(&window.surface, &buffer);
    let next = dmabufs.client.painted(FIRST)?;
    dmabufs.client.submit(&window.surface, &next.buffer);
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    dmabufs.client.roundtrip()?;
    bystander.is_served()?;
    buffer.destroy();
    dmabufs.client.roundtrip()?;
    drop((dmabufs, pages));
    bystander.is_served()?;
    drawing.goes_on("another client's frame")?;
    Ok("harmed nobody".to_owned())
}
