//! A part of a picture that is not in the picture.

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-beyond-buffer",
    does: "Sets a source that ends one pixel outside of the buffer, and shows it.",
    must: "The client is ended with wp_viewport.out_of_buffer.",
    reference: "viewporter.xml, wp_viewport: \"partially or completely outside of the non-NULL wl_buffer\"",
    matters: "The source is what is read: outside of the buffer is other memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let viewport = client.viewport(&window.surface)?;
    viewport.set_source(1.0, 1.0, SIDE.into(), SIDE.into());
    client.submit(&window.surface, &buffer);
    client.must_be_refused(&[Refusal::new(&["wp_viewport"], wp_viewport::Error::OutOfBuffer)])
}
