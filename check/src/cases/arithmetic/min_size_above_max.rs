//! No size is at least this and at most that.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.min-size-above-max",
    does: "Sets a minimum size of 200 by 200 and a maximum size of 100 by 100.",
    must: "The client is ended with a protocol error: xdg_toplevel.invalid_size, where it is known.",
    reference: "xdg-shell.xml, xdg_toplevel.set_max_size: \"smaller than the minimum size of a surface is illegal\"",
    matters: "Who clamps a size between the two without looking ends in an assertion, or in a loop.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    window.toplevel.set_min_size(200, 200);
    window.toplevel.set_max_size(100, 100);
    client.submit(&window.surface, &buffer);
    client.must_be_ended("an error")
}
