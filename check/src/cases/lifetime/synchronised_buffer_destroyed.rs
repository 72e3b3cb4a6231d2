//! What waits for its parent is destroyed meanwhile.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.synchronised-buffer-destroyed",
    does: "Commits a buffer to a synchronised subsurface, destroys the buffer and its pool, and commits the parent.",
    must: "The client goes on, and the parent is shown.",
    reference: "wayland.xml, wl_surface.attach: \"Destroying the wl_buffer before wl_buffer.release is allowed\"",
    matters: "The state that waits holds a buffer which its client has forgotten.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let (child, _subsurface) = client.subsurface(&window.surface)?;
    let painted = client.painted(FIRST)?;
    client.submit(&child, &painted.buffer);
    painted.buffer.destroy();
    drop(painted);
    client.roundtrip()?;
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
