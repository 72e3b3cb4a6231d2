//! A surface of 4 quintillion pixels, from a small buffer.

use crate::numbers::done_or_error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-destination-highest",
    does: "Sets the destination of a viewport to 2147483647 by 2147483647, and shows it.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "viewporter.xml, wp_viewport.set_destination",
    matters: "It costs the client nothing, and a compositor that makes room for it everything.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let viewport = client.viewport(&window.surface)?;
    viewport.set_destination(i32::MAX, i32::MAX);
    let mut show = || {
        client.submit(&window.surface, &buffer);
        client.roundtrip()?;
        client.submit(&window.surface, &buffer);
        client.roundtrip()?;
        Ok("went on".to_owned())
    };
    done_or_error(show())
}
