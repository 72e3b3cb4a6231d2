//! Feedback that waits for its commit.

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.presentation-not-committed",
    does: "Asks for presentation feedback of a subsurface and does not commit it, while its window is shown.",
    must: "There is no feedback before the commit, and one after it.",
    reference: "presentation-time.xml, wp_presentation.feedback; wp_presentation_feedback",
    matters: "It would be told of a content that is not there yet.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let presentation: WpPresentation = client.bind(1)?;
    let (window, buffer) = client.visible_window()?;
    let (child, subsurface) = client.subsurface(&window.surface)?;
    subsurface.set_desync();
    let content = client.painted(FIRST)?;
    client.submit(&child, &content.buffer);
    client.present(&window.surface, &buffer)?;
    let feedback = presentation.feedback(&child, &client.qh(), ());
    for _ in 0..3 {
        client.present(&window.surface, &buffer)?;
    }
    if !client.of(&feedback).is_empty() {
        return Err(Stop::fail("nothing before the commit", "feedback"));
    }
    client.submit(&child, &content.buffer);
    client.fate(&feedback)?;
    Ok("after its commit only".to_owned())
}
