//! A socket that is never empty.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.flood-without-end",
    does: "Sends requests that need no answer, without a pause, for two seconds.",
    must: SERVED,
    reference: "wayland.xml, wl_surface.damage; poll(2)",
    matters: "A compositor that serves one client until it has nothing more to say never comes to the next.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let compositor = wire.bind("wl_compositor")?;
        let surface = wire.create("wl_surface", compositor, 0, &[])?;
        let damage = [Arg::Int(0), Arg::Int(0), Arg::Int(1), Arg::Int(1)];
        let many = wire::message(surface, 2, &damage).repeat(1000);
        let end = Instant::now() + session.seconds(2);
        while Instant::now() < end {
            wire.push(&many)?;
        }
        Ok(())
    })
}
