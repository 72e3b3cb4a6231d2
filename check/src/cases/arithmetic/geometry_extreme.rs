//! A geometry larger than the surface is cut to it.

use crate::numbers::{RECTANGLES, done_or_error};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.geometry-extreme",
    does: "Sets window geometries at the limits of 32 bits, and shows the window each time.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "xdg-shell.xml, xdg_surface.set_window_geometry: \"clamped to the bounding rectangle\"",
    matters: "Position and size together leave 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for (x, y, width, height) in RECTANGLES {
        let mut client = session.connect()?;
        let (window, buffer) = client.shown_window()?;
        window.xdg_surface.set_window_geometry(x, y, width, height);
        let mut show = || {
            client.submit(&window.surface, &buffer);
            client.roundtrip()?;
            client.submit(&window.surface, &buffer);
            client.roundtrip()?;
            Ok(String::new())
        };
        done_or_error(show())?;
    }
    Ok("went on".to_owned())
}
