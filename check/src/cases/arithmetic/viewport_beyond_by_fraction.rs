//! The smallest step outside that can be said: 1/256 of a pixel.

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-beyond-by-fraction",
    does: "Sets a source that ends 1/256 of a pixel outside of the buffer, and shows it.",
    must: "The client is ended with wp_viewport.out_of_buffer.",
    reference: "viewporter.xml, wp_viewport: \"partially or completely outside of the non-NULL wl_buffer\"",
    matters: "Who cuts the fraction off compares too little.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let viewport = client.viewport(&window.surface)?;
    viewport.set_destination(SIDE, SIDE);
    viewport.set_source(1.0 / 256.0, 0.0, SIDE.into(), SIDE.into());
    client.submit(&window.surface, &buffer);
    client.must_be_refused(&[Refusal::new(&["wp_viewport"], wp_viewport::Error::OutOfBuffer)])
}
