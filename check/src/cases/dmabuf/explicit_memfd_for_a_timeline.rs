//! A file is not a timeline because its client says so.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_manager_v1::Error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-memfd-for-a-timeline",
    does: "Imports a memfd as a timeline.",
    must: "The client is ended with invalid_timeline.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_manager_v1.import_timeline",
    matters: "Who waits for a point on it waits for ever, or finds out in the midst of a frame.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (mut client, manager) = session.syncobjs()?;
    let memory = memory::sealed(BYTES as u64)?;
    let timeline = manager.import_timeline(memory.as_fd(), &client.qh(), ());
    client.note(timeline);
    client.must_be_refused(&[Refusal::new(&["wp_linux_drm_syncobj_manager_v1"], Error::InvalidTimeline)])
}
