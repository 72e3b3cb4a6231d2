//! What waits for its parent goes with its surface.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.synchronised-destroyed",
    does: "Commits a buffer to a synchronised subsurface, and destroys the subsurface and its surface before the parent commits.",
    must: "The buffer is released, once.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"; wl_subsurface",
    matters: "What waits in a surface that is gone is forgotten with it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let (child, subsurface) = client.subsurface(&window.surface)?;
    let painted = client.painted(FIRST)?;
    client.submit(&child, &painted.buffer);
    client.settle()?;
    subsurface.destroy();
    child.destroy();
    client.present(&window.surface, &buffer)?;
    client.released(&painted.buffer, 1)?;
    Ok("released once".to_owned())
}
