//! Each answer that is not read stays with the compositor.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.syncs-unread",
    does: "Sends 200000 times wl_display.sync, as far as they are taken, and reads no answer.",
    must: SERVED,
    reference: "wayland.xml, wl_display.sync",
    matters: "A compositor that waits until a client has read freezes; one that keeps all answers runs out of memory.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        wire.reads = false;
        wire.patience = session.seconds(1);
        for _ in 0..200_000 {
            wire.create("wl_callback", 1, 0, &[])?;
        }
        Ok(())
    })
}
