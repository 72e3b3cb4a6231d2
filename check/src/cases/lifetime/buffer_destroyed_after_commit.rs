//! The buffer is gone before it has been drawn.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.buffer-destroyed-after-commit",
    does: "Commits a buffer and destroys it at once.",
    must: "The client goes on, and its next buffer is shown.",
    reference: "wayland.xml, wl_surface.attach: \"Destroying the wl_buffer before wl_buffer.release is allowed\"",
    matters: "The compositor draws with its next frame, when the object is no more.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, other) = client.shown_window()?;
    let gone = client.painted(FIRST)?;
    client.submit(&window.surface, &gone.buffer);
    gone.buffer.destroy();
    client.settle()?;
    client.present(&window.surface, &other)?;
    Ok("went on".to_owned())
}
