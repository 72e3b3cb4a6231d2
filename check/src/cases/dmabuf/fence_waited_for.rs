//! The picture is not drawn yet when it is committed.

use crate::fences::Drawing;
use crate::frames::{self, SECOND, STAMP};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.fence-waited-for",
    does: "Commits a dma-buf whose fence is not signalled, with nonsense in it; then draws its picture, and signals the fence.",
    must: "Others are served meanwhile, the nonsense is never on the output, and the picture is shown in the end.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1: \"compositors and clients must wait and signal fences implicitly passed \
                via the DMA-BUF's reservation mechanism\"",
    matters: "Programs commit what their GPU still draws: who reads it at once shows half a picture, who stands and waits \
              freezes the desktop.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut dmabufs = session.dmabufs()?;
    let (buffer, dmabuf, pages) = dmabufs.square()?;
    let camera = dmabufs.client.screenshots()?;
    let mut bystander = session.bystander()?;
    let (window, _) = dmabufs.client.visible_window()?;
    let client = &mut dmabufs.client;
    frames::paint(&pages, STAMP)?;
    let drawing = Drawing::begin(&dmabuf)?;
    let frame = client.submit(&window.surface, &buffer);
    client.roundtrip()?;
    bystander.is_served()?;
    let early = camera.take(client)?;
    drawing.goes_on("another client's frame, and a picture of the output,")?;
    frames::paint(&pages, SECOND)?;
    drawing.end();
    client.wait_for(&frame, 1)?;
    client.must_see(|client| client.roundtrip().map(|()| SECOND))?;
    if early.count(STAMP) + camera.take(client)?.count(STAMP) > 0 {
        return Err(Stop::fail(
            "the frame before, until the fence is signalled",
            "what was in the memory then",
        ));
    }
    Ok("shown when it was drawn".to_owned())
}
