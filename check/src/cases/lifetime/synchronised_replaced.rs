//! A synchronised subsurface commits twice before its parent does.

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.synchronised-replaced",
    does: "Commits two buffers to a synchronised subsurface, one after the other, and then its parent.",
    must: "The first buffer is released, once.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"; wl_subsurface",
    matters: "The first was committed and never shown; only what keeps the states knows of it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let (child, _subsurface) = client.subsurface(&window.surface)?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    client.submit(&child, &first.buffer);
    client.submit(&child, &second.buffer);
    client.present(&window.surface, &buffer)?;
    client.released(&first.buffer, 1)?;
    Ok("released once".to_owned())
}
