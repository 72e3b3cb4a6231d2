//! A global may be bound any number of times, and a compositor remembers who has.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.flood-of-binds",
    does: "Binds wl_shm, wl_compositor, wl_output and wl_seat 5000 times each.",
    must: SERVED,
    reference: "wayland.xml, wl_registry.bind; wayland.xml, wl_display.error.no_memory",
    matters: "Whatever changes is told to each that was bound, so lists of them grow and are walked over.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        for _ in 0..5000 {
            for interface in ["wl_shm", "wl_compositor", "wl_output", "wl_seat"] {
                match wire.bind(interface) {
                    Err(Stop::Skip(_)) => {}
                    done => drop(done?),
                }
            }
        }
        Ok(())
    })
}
