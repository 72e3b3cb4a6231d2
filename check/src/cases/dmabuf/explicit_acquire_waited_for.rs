//! The picture is drawn when the acquire point says so, and not before.

use crate::frames::{self, FIRST, SECOND, STAMP};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-acquire-waited-for",
    does: "Commits a dma-buf with an acquire point that is not signalled, and nonsense in it; then draws its picture, and \
           signals the point.",
    must: "Others are served meanwhile, the nonsense is never on the output, and the picture is shown in the end.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_acquire_point: \"must be signalled before the \
                compositor may sample from the buffer\"",
    matters: "Who reads it at once shows half a picture, who stands and waits freezes the desktop.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut bystander = session.bystander()?;
    let mut explicit = session.explicit()?;
    let (before, _, pages_before) = explicit.dmabufs.square()?;
    let (buffer, _, pages) = explicit.dmabufs.square()?;
    let camera = explicit.dmabufs.client.screenshots()?;
    frames::paint(&pages_before, FIRST)?;
    let last = explicit.must_see(&before, FIRST)?;
    frames::paint(&pages, STAMP)?;
    let frame = explicit.submit(&buffer, last + 1);
    explicit.dmabufs.client.roundtrip()?;
    bystander.is_served()?;
    let early = camera.take(&mut explicit.dmabufs.client)?;
    frames::paint(&pages, SECOND)?;
    explicit.draw_until(last + 1)?;
    let client = &mut explicit.dmabufs.client;
    client.wait_for(&frame, 1)?;
    client.must_see(|client| client.roundtrip().map(|()| SECOND))?;
    if early.count(STAMP) + camera.take(client)?.count(STAMP) > 0 {
        return Err(Stop::fail(
            "the frame before, until the point is signalled",
            "what was in the memory then",
        ));
    }
    Ok("shown when it was drawn".to_owned())
}
