//! Regions are forgotten first: they belong to nothing.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.thousands-of-regions",
    does: "Makes 20000 regions of one rectangle each, and keeps them.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.no_memory",
    matters: "Regions hang on no surface, so they are easily missed when what a client had is freed.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let compositor = wire.bind("wl_compositor")?;
        for _ in 0..20_000 {
            let region = wire.create("wl_region", compositor, 1, &[])?;
            let rectangle = [Arg::Int(0), Arg::Int(0), Arg::Int(1), Arg::Int(1)];
            wire.send(region, 1, &rectangle)?;
        }
        Ok(())
    })
}
