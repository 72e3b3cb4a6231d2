//! Half a pixel is a fine source, but no size of a surface.

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-source-fraction",
    does: "Sets a source of 8.5 by 8 pixels and no destination, and commits.",
    must: "The client is ended with wp_viewport.bad_size.",
    reference: "viewporter.xml, wp_viewport: \"src_width and src_height must be integers\"",
    matters: "Surfaces have whole sizes; who rounds differs from who cuts off.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let viewport = client.viewport(&window.surface)?;
    viewport.set_source(0.0, 0.0, 8.5, 8.0);
    client.submit(&window.surface, &buffer);
    client.must_be_refused(&[Refusal::new(&["wp_viewport"], wp_viewport::Error::BadSize)])
}
