//! As many surfaces as there can be in one window.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.subsurfaces-side-by-side",
    does: "Makes 2000 subsurfaces of one window, with a pixel each, shows them, and moves each to the top.",
    must: SERVED,
    reference: "wayland.xml, wl_subsurface.place_above; wayland.xml, wl_display.error.no_memory",
    matters: "Where each change of the order walks over all siblings, the time grows with the square of their number.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
        let subcompositor = wire.bind("wl_subcompositor")?;
        let memory = memory::sealed(4096)?;
        let pool = wire.pool(shm, memory.as_fd(), 4096)?;
        let buffer = wire.pixel(pool)?;
        let window = wire.window(compositor)?;
        let mut roles = Vec::new();
        for _ in 0..2000 {
            let surface = wire.create("wl_surface", compositor, 0, &[])?;
            let parent = [Arg::Uint(surface), Arg::Uint(window)];
            let role = wire.create("wl_subsurface", subcompositor, 1, &parent)?;
            wire.commit(surface, buffer)?;
            roles.push((role, surface));
        }
        wire.commit(window, buffer)?;
        wire.roundtrip()?;
        let (_, top) = *roles.last().ok_or_else(|| Stop::skip("there is no surface"))?;
        for (role, _) in roles.iter().rev().skip(1) {
            wire.send(*role, 2, &[Arg::Uint(top)])?;
        }
        wire.commit(window, buffer)
    })
}
