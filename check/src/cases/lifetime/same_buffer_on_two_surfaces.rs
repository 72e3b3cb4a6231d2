//! Two surfaces show one buffer; who is the last?

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.same-buffer-on-two-surfaces",
    does: "Shows a buffer on a window and on its subsurface, replaces it on both, and destroys it.",
    must: "The compositor goes on; how often it is released is not defined.",
    reference: "wayland.xml, wl_surface.attach: \"committed to more than one wl_surface, the delivery of wl_buffer.release events becomes undefined\"",
    matters: "Two readers of one thing want a count, and the count is where it goes wrong.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let window = client.window()?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    let (child, _subsurface) = client.subsurface(&window.surface)?;
    client.submit(&child, &first.buffer);
    client.present(&window.surface, &first.buffer)?;
    client.present(&window.surface, &second.buffer)?;
    client.submit(&child, &second.buffer);
    client.present(&window.surface, &second.buffer)?;
    client.settle()?;
    let count = client.releases(&first.buffer);
    first.buffer.destroy();
    client.present(&window.surface, &second.buffer)?;
    Ok(format!("released {count} times"))
}
