//! A surface that is gone is not seen any more.

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.presentation-of-destroyed-surface",
    does: "Commits with presentation feedback and destroys the window at once.",
    must: "The feedback gets one of presented and discarded, once.",
    reference: "presentation-time.xml, wp_presentation_feedback: \"or its surface destroyed\"",
    matters: "The feedback outlives the surface that it points to.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let presentation: WpPresentation = client.bind(1)?;
    let (window, buffer) = client.visible_window()?;
    let feedback = presentation.feedback(&window.surface, &client.qh(), ());
    client.submit(&window.surface, &buffer);
    window.toplevel.destroy();
    window.xdg_surface.destroy();
    window.surface.destroy();
    let presented = client.fate(&feedback)?.is_some();
    Ok(if presented { "presented" } else { "discarded" }.to_owned())
}
