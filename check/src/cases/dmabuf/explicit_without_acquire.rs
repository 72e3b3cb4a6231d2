//! A buffer of which nobody says when it is drawn.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::Error;

use crate::timelines::refusal;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-without-acquire",
    does: "Commits a dma-buf with a release point, but without an acquire point.",
    must: "The client is ended with no_acquire_point.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_acquire_point",
    matters: "With explicit synchronisation the fences in the buffer need not be looked at: then it is read while it is drawn.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let (buffer, _dmabuf, _pages) = explicit.dmabufs.square()?;
    explicit.release_at(1);
    let client = &mut explicit.dmabufs.client;
    client.submit(&explicit.window.surface, &buffer);
    client.must_be_refused(&[refusal(Error::NoAcquirePoint)])
}
