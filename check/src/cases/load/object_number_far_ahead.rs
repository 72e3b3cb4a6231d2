//! Objects are numbered by their client, one after the other; who leaves numbers out breaks the rule.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.object-number-far-ahead",
    does: "Makes a surface with the highest number that a client may use.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.invalid_object; wayland-book, Wire protocol",
    matters: "A table that grows up to the number that it is given takes all memory there is at one request.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let compositor = wire.bind("wl_compositor")?;
        wire.send(compositor, 0, &[Arg::Uint(0xfeff_ffff)])
    })
}
