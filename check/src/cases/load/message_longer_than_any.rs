//! A message may claim 65535 bytes; libwayland has never taken more than 4096.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.message-longer-than-any",
    does: "Sends a request of 65532 bytes: a title for a window.",
    must: SERVED,
    reference: "wayland.xml, xdg_toplevel.set_title; wayland-book, Wire protocol",
    matters: "A message that fits into no buffer can never be whole, and whoever waits for that waits for ever.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let shm = wire.bind("wl_shm")?;
        let text = "x".repeat(65_519);
        wire.push(&wire::message(shm, 0, &[Arg::Str(&text)]))
    })
}
