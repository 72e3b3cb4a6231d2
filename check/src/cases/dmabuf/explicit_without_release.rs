//! A buffer whose client does not want it back.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::Error;

use crate::timelines::refusal;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-without-release",
    does: "Commits a dma-buf with an acquire point, but without a release point.",
    must: "The client is ended with no_release_point.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_release_point",
    matters: "wl_buffer.release need not come with explicit synchronisation: the client would never know.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let (buffer, _dmabuf, _pages) = explicit.dmabufs.square()?;
    explicit.draw_until(1)?;
    explicit.acquire_at(1);
    let client = &mut explicit.dmabufs.client;
    client.submit(&explicit.window.surface, &buffer);
    client.must_be_refused(&[refusal(Error::NoReleasePoint)])
}
