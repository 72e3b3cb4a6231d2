//! The client thinks better of it before it commits.

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.attach-replaced",
    does: "Attaches one buffer, then another, and commits.",
    must: "The second is shown; the first gets no release event.",
    reference: "wayland.xml, wl_surface.attach: \"attached and then replaced by another attach instead of committed will not receive a release event\"",
    matters: "A release that belongs to no use makes a client count wrong, and draw into what is shown.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, _) = client.shown_window()?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    window.surface.attach(Some(&first.buffer), 0, 0);
    client.present(&window.surface, &second.buffer)?;
    client.settle()?;
    match client.releases(&first.buffer) {
        0 => Ok("no release".to_owned()),
        count => Err(Stop::fail("no release of a buffer that was never committed", count)),
    }
}
