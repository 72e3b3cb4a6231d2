//! Points for nothing.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::Error;

use crate::timelines::refusal;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-without-buffer",
    does: "Commits a surface with an acquire and a release point, but without a buffer.",
    must: "The client is ended with no_buffer.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_acquire_point",
    matters: "Points without a buffer would be waited for in vain, or be taken for those of the next one.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    explicit.acquire_at(1);
    explicit.release_at(1);
    explicit.window.surface.commit();
    explicit.dmabufs.client.must_be_refused(&[refusal(Error::NoBuffer)])
}
