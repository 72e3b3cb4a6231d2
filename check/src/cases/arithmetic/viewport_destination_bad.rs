//! A surface has a size, or none of its own.

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-destination-bad",
    does: "Sets destinations of a viewport that are negative or empty, each over a connection of its own.",
    must: "Each client is ended with wp_viewport.bad_value.",
    reference: "viewporter.xml, wp_viewport.set_destination",
    matters: "The size of the surface becomes what is said here.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for (width, height) in [(0, 8), (8, 0), (-1, 8), (-2, -2), (i32::MIN, i32::MIN)] {
        let mut client = session.connect()?;
        let (window, _) = client.shown_window()?;
        let viewport = client.viewport(&window.surface)?;
        viewport.set_destination(width, height);
        client.must_be_refused(&[Refusal::new(&["wp_viewport"], wp_viewport::Error::BadValue)])?;
    }
    Ok("refused: wp_viewport.bad_value".to_owned())
}
