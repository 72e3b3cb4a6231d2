//! Rectangles that end before they begin.

use crate::numbers::done_or_error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.damage-negative",
    does: "Damages a surface by rectangles of negative width and height.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_surface.damage",
    matters: "The area of such a rectangle is positive, and its edges are the wrong way round.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    for (x, y, width, height) in [(8, 8, -4, -4), (0, 0, i32::MIN, i32::MIN), (i32::MIN, i32::MIN, -1, -1)] {
        window.surface.damage(x, y, width, height);
        window.surface.damage_buffer(x, y, width, height);
    }
    done_or_error(client.present(&window.surface, &buffer).map(|()| "shown".to_owned()))
}
