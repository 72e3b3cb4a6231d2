//! Nothing says how many frame callbacks a surface may ask for at a time.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.thousands-of-frame-callbacks",
    does: "Asks for 20000 frame callbacks of a surface that is never shown, and commits it.",
    must: SERVED,
    reference: "wayland.xml, wl_surface.frame; wayland.xml, wl_display.error.no_memory",
    matters: "A surface that is not shown gets no callbacks, so what waits there grows without anybody noticing.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let compositor = wire.bind("wl_compositor")?;
        let surface = wire.create("wl_surface", compositor, 0, &[])?;
        for _ in 0..20_000 {
            wire.create("wl_callback", surface, 3, &[])?;
        }
        wire.send(surface, 6, &[])
    })
}
