//! Programs come and go all day.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.connections-come-and-go",
    does: "Connects 500 times, asks for the globals, and closes the connection.",
    must: SERVED,
    reference: "accept(2); wayland.xml, wl_display.get_registry",
    matters: "What little is kept of each connection adds up over the weeks that a session lasts.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        for _ in 0..500 {
            Wire::connect(session)?;
        }
        Ok(())
    })
}
