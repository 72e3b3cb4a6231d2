//! The ordinary case.

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.released-when-replaced",
    does: "Shows one buffer, then another.",
    must: "The first is released, once.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"",
    matters: "Double buffering is nothing but this.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let window = client.window()?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    client.present(&window.surface, &first.buffer)?;
    client.present(&window.surface, &second.buffer)?;
    client.released(&first.buffer, 1)?;
    client.present(&window.surface, &second.buffer)?;
    client.released(&first.buffer, 1)?;
    Ok("released once".to_owned())
}
