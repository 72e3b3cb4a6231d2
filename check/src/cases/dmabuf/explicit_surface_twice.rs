//! A surface is synchronised by one object.

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::client::wp_linux_drm_syncobj_manager_v1::Error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-surface-twice",
    does: "Asks for explicit synchronisation of a surface that has it already.",
    must: "The client is ended with surface_exists.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_manager_v1.get_surface",
    matters: "A program and its graphics library may both want it; with two of them nobody knows whose points count.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let (mut client, manager) = session.syncobjs()?;
    let window = client.window()?;
    for _ in 0..2 {
        let surface = manager.get_surface(&window.surface, &client.qh(), ());
        client.note(surface);
    }
    client.must_be_refused(&[Refusal::new(&["wp_linux_drm_syncobj_manager_v1"], Error::SurfaceExists)])
}
