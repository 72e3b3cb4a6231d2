//! One buffer, committed again while it is shown.

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.same-buffer-twice",
    does: "Commits the same buffer two times in a row, and then another.",
    must: "It is released, at most once for each commit.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"",
    matters: "A client that counts uses gets its buffer back too often, or never.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let window = client.window()?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    client.present(&window.surface, &first.buffer)?;
    client.present(&window.surface, &first.buffer)?;
    client.present(&window.surface, &second.buffer)?;
    client.released(&first.buffer, 2)?;
    client.present(&window.surface, &second.buffer)?;
    let count = client.released(&first.buffer, 2)?;
    Ok(format!("released {}", if count == 1 { "once" } else { "twice" }))
}
