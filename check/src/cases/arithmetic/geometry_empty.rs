//! A window has a size.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.geometry-empty",
    does: "Sets window geometries without an extent or with a negative one, each over a connection of its own, and commits.",
    must: "Each client is ended with a protocol error: xdg_surface.invalid_size, where it is known.",
    reference: "xdg-shell.xml, xdg_surface.set_window_geometry",
    matters: "Windows are placed, and scaled, by this size.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for (width, height) in [(0, 8), (8, 0), (-8, -8), (i32::MIN, i32::MIN)] {
        let mut client = session.connect()?;
        let (window, buffer) = client.shown_window()?;
        window.xdg_surface.set_window_geometry(0, 0, width, height);
        client.submit(&window.surface, &buffer);
        client.must_be_ended(format_args!("an error for a geometry of {width}x{height}"))?;
    }
    Ok("refused".to_owned())
}
