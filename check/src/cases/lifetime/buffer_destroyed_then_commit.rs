//! The surface is committed anew, and its buffer is no more.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.buffer-destroyed-then-commit",
    does: "Shows a buffer, destroys it, and damages and commits the surface ten times.",
    must: "The client goes on.",
    reference: "wayland.xml, wl_surface.attach: \"Destroying the wl_buffer before wl_buffer.release is allowed\"",
    matters: "Damage makes the compositor read the buffer again that it remembers.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    buffer.destroy();
    for _ in 0..10 {
        window.surface.damage(0, 0, SIDE, SIDE);
        window.surface.commit();
        client.roundtrip()?;
    }
    Ok("went on".to_owned())
}
