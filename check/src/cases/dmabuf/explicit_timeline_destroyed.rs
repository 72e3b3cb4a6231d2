//! The timeline's object goes, its points stay.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-timeline-destroyed",
    does: "Sets both points of a commit, destroys the objects of both timelines, commits, and signals the acquire point.",
    must: "The buffer is shown, and its release point signalled when no buffer is shown any more.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_timeline_v1.destroy: \"timeline points set by set_acquire_point \
                and set_release_point are not unset\"",
    matters: "Programs let go of a timeline when they have no more use for it themselves.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let (buffer, _, _) = explicit.dmabufs.square()?;
    explicit.acquire_at(1);
    explicit.release_at(1);
    explicit.acquire.object.destroy();
    explicit.release.object.destroy();
    let frame = explicit.dmabufs.client.submit(&explicit.window.surface, &buffer);
    explicit.dmabufs.client.roundtrip()?;
    explicit.draw_until(1)?;
    explicit.dmabufs.client.wait_for(&frame, 1)?;
    explicit.window.surface.attach(None, 0, 0);
    explicit.window.surface.commit();
    explicit.wait_for_release(1)?;
    Ok("shown, and released".to_owned())
}
