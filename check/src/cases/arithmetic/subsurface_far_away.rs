//! Subsurfaces may be anywhere.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.subsurface-far-away",
    does: "Puts a subsurface at the limits of 32 bits, and shows its parent each time.",
    must: "The parent is shown.",
    reference: "wayland.xml, wl_subsurface.set_position: \"The coordinates are not restricted to the parent surface area\"",
    matters: "Its position and its parent's together leave 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    // Otherwise the window would be as large as it and its subsurface together, and might be put anywhere.
    window.xdg_surface.set_window_geometry(0, 0, SIDE, SIDE);
    let (surface, subsurface) = client.subsurface(&window.surface)?;
    let memory = memory::sealed(BYTES as u64)?;
    let content = client.square_of(&memory)?;
    for (x, y) in [(i32::MAX, i32::MAX), (i32::MIN, i32::MIN), (i32::MAX, 0), (0, i32::MIN)] {
        subsurface.set_position(x, y);
        client.submit(&surface, &content);
        client.present(&window.surface, &buffer)?;
    }
    Ok("shown".to_owned())
}
