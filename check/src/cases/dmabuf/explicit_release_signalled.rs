//! The buffer comes back by its release point.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-release-signalled",
    does: "Shows two dma-bufs, one after the other and twice each, with a release point for each commit; then no buffer.",
    must: "The release point of a commit is signalled when another buffer is shown instead, and that of the last one when \
           there is none.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_release_point",
    matters: "A client that waits for its buffers in vain stops drawing when it has none left.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let buffers = [explicit.dmabufs.square()?.0, explicit.dmabufs.square()?.0];
    for point in 1..=4 {
        let [even, odd] = &buffers;
        explicit.present(if point % 2 == 0 { even } else { odd }, point)?;
        explicit.wait_for_release(point - 1)?;
    }
    explicit.window.surface.attach(None, 0, 0);
    explicit.window.surface.commit();
    explicit.wait_for_release(4)?;
    let reached = explicit.released()?;
    if reached != 4 {
        return Err(Stop::fail("the release points that were set", format_args!("point {reached}")));
    }
    Ok("signalled for each commit".to_owned())
}
