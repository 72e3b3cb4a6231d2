//! The size of a message is its client's to write, and includes the header of 8 bytes.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.message-of-size-zero",
    does: "Sends a request whose size says 0, and one whose size says 4.",
    must: SERVED,
    reference: "wayland-book, Wire protocol",
    matters: "Whoever goes on by the size that is given does not get on at all, and never comes out of the loop.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        wire.reads = false;
        let mut bytes = wire::header(1, 0, 0).to_vec();
        bytes.extend(wire::header(1, 0, 4));
        bytes.extend([0; 64]);
        wire.push(&bytes)
    })
}
