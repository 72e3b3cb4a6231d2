//! The surface is gone, so nobody reads its buffer.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.surface-destroyed",
    does: "Shows a buffer and destroys the window and its surface.",
    must: "The buffer is released, once.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"",
    matters: "A client that waits for its buffer before it makes the next window waits for ever.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    window.toplevel.destroy();
    window.xdg_surface.destroy();
    window.surface.destroy();
    client.released(&buffer, 1)?;
    Ok("released once".to_owned())
}
