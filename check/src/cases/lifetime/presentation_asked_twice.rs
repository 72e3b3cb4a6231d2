//! Two ask for the same commit.

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.presentation-asked-twice",
    does: "Asks twice for presentation feedback on one commit.",
    must: "Both get the same information.",
    reference: "presentation-time.xml, wp_presentation.feedback: \"they will all deliver the same information\"",
    matters: "The second is easily forgotten, where there is room for one.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let presentation: WpPresentation = client.bind(1)?;
    let (window, buffer) = client.visible_window()?;
    let feedbacks = [0, 1].map(|_| presentation.feedback(&window.surface, &client.qh(), ()));
    client.present(&window.surface, &buffer)?;
    let (one, other) = (client.fate(&feedbacks[0])?, client.fate(&feedbacks[1])?);
    if one != other {
        return Err(Stop::fail("the same twice", format_args!("{one:?} and {other:?}")));
    }
    Ok("the same twice".to_owned())
}
