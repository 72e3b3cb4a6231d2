//! The request is 12 bytes, the answer is a list of all globals: some hundred times as much.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.registries-unread",
    does: "Asks 20000 times for the registry, as far as that is taken, and reads no answer.",
    must: SERVED,
    reference: "wayland.xml, wl_display.get_registry",
    matters: "It is the cheapest way to have a compositor write more than a socket holds.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        wire.reads = false;
        wire.patience = session.seconds(1);
        for _ in 0..20_000 {
            wire.create("wl_registry", 1, 1, &[])?;
        }
        Ok(())
    })
}
