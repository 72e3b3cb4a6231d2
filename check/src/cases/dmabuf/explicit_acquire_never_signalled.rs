//! An acquire point that never comes: nobody but the client can signal it, and no time limit of a driver's ends it.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.explicit-acquire-never-signalled",
    does: "Commits a dma-buf with an acquire point that is never signalled, and another one after it; destroys all of it, and goes.",
    must: "Others are served meanwhile and afterwards, and nothing of the client is kept.",
    reference: "linux-drm-syncobj-v1.xml, wp_linux_drm_syncobj_surface_v1.set_acquire_point",
    matters: "The point is the client's own, so a compositor that stands and waits for it is any client's prisoner.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut explicit = session.explicit()?;
    let (first, _, _) = explicit.dmabufs.square()?;
    let (second, _, _) = explicit.dmabufs.square()?;
    let mut bystander = session.bystander()?;
    explicit.submit(&first, 1);
    explicit.submit(&second, 2);
    explicit.dmabufs.client.roundtrip()?;
    bystander.is_served()?;
    first.destroy();
    explicit.surface.destroy();
    explicit.acquire.object.destroy();
    explicit.dmabufs.client.roundtrip()?;
    bystander.is_served()?;
    drop(explicit);
    bystander.is_served()?;
    Ok("harmed nobody".to_owned())
}
