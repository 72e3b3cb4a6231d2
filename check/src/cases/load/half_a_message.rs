//! A message may come in pieces, and the rest of it never.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.half-a-message",
    does: "Sends the first half of a request, and says nothing more.",
    must: SERVED,
    reference: "wayland-book, Wire protocol; recvmsg(2)",
    matters: "A compositor that waits for the other half waits for ever, and everybody with it.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let id = wire.new_id("wl_callback");
        let sync = wire::message(1, 0, &[Arg::Uint(id)]);
        wire.push(sync.get(..6).unwrap_or_default())?;
        // No answer can come.
        wire.reads = false;
        Ok(())
    })
}
