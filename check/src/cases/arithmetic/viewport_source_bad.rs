//! A part of a picture has a size, and begins in the picture.

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-source-bad",
    does: "Sets sources of a viewport that are negative or empty, each over a connection of its own.",
    must: "Each client is ended with wp_viewport.bad_value.",
    reference: "viewporter.xml, wp_viewport.set_source",
    matters: "Scaling divides by the size of the source.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let bad = [
        (-2.0, 0.0, 8.0, 8.0),
        (0.0, -0.5, 8.0, 8.0),
        (0.0, 0.0, 0.0, 8.0),
        (0.0, 0.0, 8.0, -8.0),
        (-1.0, -1.0, -1.0, 1.0),
    ];
    for (x, y, width, height) in bad {
        let mut client = session.connect()?;
        let (window, _) = client.shown_window()?;
        let viewport = client.viewport(&window.surface)?;
        viewport.set_source(x, y, width, height);
        client.must_be_refused(&[Refusal::new(&["wp_viewport"], wp_viewport::Error::BadValue)])?;
    }
    Ok("refused: wp_viewport.bad_value".to_owned())
}
