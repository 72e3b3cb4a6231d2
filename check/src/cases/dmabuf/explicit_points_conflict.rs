//! Given back before it is drawn.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::Error;

use crate::timelines::refusal;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-points-conflict",
    does: "Commits a dma-buf with the same point of one timeline as acquire and as release point.",
    must: "The client is ended with conflicting_points.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1: \"the acquire point value must be strictly less than \
                the release point value\"",
    matters: "When the client has drawn its picture, it has signalled that the compositor is done with it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let (buffer, _dmabuf, _pages) = explicit.dmabufs.square()?;
    explicit.acquire_at(7);
    explicit.surface.set_release_point(&explicit.acquire.object, 0, 7);
    let client = &mut explicit.dmabufs.client;
    client.submit(&explicit.window.surface, &buffer);
    client.must_be_refused(&[refusal(Error::ConflictingPoints)])
}
