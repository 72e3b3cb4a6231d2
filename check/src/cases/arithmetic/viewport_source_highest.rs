//! The largest numbers that the wire has for fractions.

use selkie_protocols::upstream::wp::viewporter::client::wp_viewport;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.viewport-source-highest",
    does: "Sets a source at 8388607, 8388607 of that size, and shows it.",
    must: "The client is ended with wp_viewport.out_of_buffer.",
    reference: "viewporter.xml, wp_viewport: \"partially or completely outside of the non-NULL wl_buffer\"",
    matters: "Begin and size together leave 24 bits, and become negative.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let viewport = client.viewport(&window.surface)?;
    viewport.set_destination(SIDE, SIDE);
    viewport.set_source(8_388_607.0, 8_388_607.0, 8_388_607.0, 8_388_607.0);
    client.submit(&window.surface, &buffer);
    client.must_be_refused(&[Refusal::new(&["wp_viewport"], wp_viewport::Error::OutOfBuffer)])
}
