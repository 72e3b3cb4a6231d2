//! A tree is walked by recursion, and the stack has an end.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.subsurfaces-in-a-chain",
    does: "Makes 1000 subsurfaces, each the child of the one before, with a pixel each, under a window that is then shown.",
    must: SERVED,
    reference: "wayland.xml, wl_subcompositor.get_subsurface; wayland.xml, wl_display.error.no_memory",
    matters: "A compositor that walks the tree by recursion, or again for each surface, is at the mercy of the tree's depth.",
    danger: Some("mutter 43 does not answer for minutes"),
    limit: Duration::from_secs(30),
    run,
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
        let subcompositor = wire.bind("wl_subcompositor")?;
        let memory = memory::sealed(4096)?;
        let pool = wire.pool(shm, memory.as_fd(), 4096)?;
        let buffer = wire.pixel(pool)?;
        let window = wire.window(compositor)?;
        let mut chain = vec![window];
        let mut parent = window;
        for _ in 0..1000 {
            let surface = wire.create("wl_surface", compositor, 0, &[])?;
            wire.create("wl_subsurface", subcompositor, 1, &[Arg::Uint(surface), Arg::Uint(parent)])?;
            chain.push(surface);
            parent = surface;
        }
        chain.iter().rev().try_for_each(|surface| wire.commit(*surface, buffer))?;
        wire.roundtrip()?;
        wire.commit(window, buffer)
    })
}
