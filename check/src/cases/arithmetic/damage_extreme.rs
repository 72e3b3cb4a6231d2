//! Everything, said with large numbers.

use crate::numbers::RECTANGLES;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.damage-extreme",
    does: "Damages a surface with wl_surface.damage by rectangles that begin and end at the limits of 32 bits.",
    must: "All that is outside of the surface is ignored, and the surface is shown.",
    reference: "wayland.xml, wl_surface.damage: \"ignores the parts of the damage that fall outside of the surface\"",
    matters: "Toolkits damage everything with the largest numbers there are; x plus width leaves 32 bits then.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    for (x, y, width, height) in RECTANGLES {
        window.surface.damage(x, y, width, height);
    }
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
