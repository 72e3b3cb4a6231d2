//! Surfaces are cheap to ask for.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.thousands-of-surfaces",
    does: "Makes 10000 surfaces, and commits each with a buffer of one pixel.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.no_memory",
    matters: "A compositor that walks over all surfaces for each frame becomes slow for everybody.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
        let memory = memory::sealed(4096)?;
        let pool = wire.pool(shm, memory.as_fd(), 4096)?;
        let buffer = wire.pixel(pool)?;
        for _ in 0..10_000 {
            let surface = wire.create("wl_surface", compositor, 0, &[])?;
            wire.commit(surface, buffer)?;
        }
        Ok(())
    })
}
