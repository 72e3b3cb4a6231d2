//! A window cannot be smaller than nothing.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.min-size-negative",
    does: "Sets a minimum size of -1 by -1.",
    must: "The client is ended with a protocol error: xdg_toplevel.invalid_size, where it is known.",
    reference: "xdg-shell.xml, xdg_toplevel.set_min_size: \"Using strictly negative values\"",
    matters: "It is compared with sizes that are not signed.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    window.toplevel.set_min_size(-1, -1);
    client.submit(&window.surface, &buffer);
    client.must_be_ended("an error")
}
