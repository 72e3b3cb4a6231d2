//! The surface goes before what synchronises it.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_surface_v1::Error;

use crate::timelines::refusal;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-surface-gone",
    does: "Destroys a surface, and sets an acquire point for it.",
    must: "The client is ended with no_surface.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_acquire_point",
    matters: "A compositor that looks for the surface finds none, or another one with its number.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    explicit.window.toplevel.destroy();
    explicit.window.xdg_surface.destroy();
    explicit.window.surface.destroy();
    explicit.acquire_at(1);
    explicit.dmabufs.client.must_be_refused(&[refusal(Error::NoSurface)])
}
