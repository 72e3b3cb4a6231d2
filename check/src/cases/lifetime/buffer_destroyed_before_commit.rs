//! The buffer is gone when the commit comes that is to show it.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.buffer-destroyed-before-commit",
    does: "Attaches a buffer, destroys it, and commits.",
    must: "What is shown is not specified; the compositor goes on, and shows the next buffer.",
    reference: "wayland.xml, wl_surface.attach: \"If a pending wl_buffer has been destroyed, the result is not specified\"",
    matters: "What was remembered at the attach points to nothing at the commit.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, _) = client.shown_window()?;
    let gone = client.painted(FIRST)?;
    window.surface.attach(Some(&gone.buffer), 0, 0);
    window.surface.damage(0, 0, SIDE, SIDE);
    gone.buffer.destroy();
    window.surface.commit();
    client.settle()?;
    // That may have unmapped this window.
    session.connect()?.shown_window()?;
    Ok("went on".to_owned())
}
