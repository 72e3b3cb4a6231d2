//! The window is hidden, and its buffer with it.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.released-after-null",
    does: "Shows a buffer, then attaches null and commits.",
    must: "The buffer is released, once.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"; \"NULL wl_buffer\"",
    matters: "A client that hides its window wants its memory back.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    client.released(&buffer, 1)?;
    Ok("released once".to_owned())
}
