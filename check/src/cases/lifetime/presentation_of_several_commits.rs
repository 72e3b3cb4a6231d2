//! Commits that come faster than frames.

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.presentation-of-several-commits",
    does: "Commits eight times without waiting, each time with presentation feedback.",
    must: "Each feedback gets one of presented and discarded, once; the last is presented.",
    reference: "presentation-time.xml, wp_presentation_feedback: \"the user did not see the content update because it was superseded\"",
    matters: "What was never shown must not be called shown, and nobody may wait for it for ever.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let presentation: WpPresentation = client.bind(1)?;
    let (window, buffer) = client.visible_window()?;
    let mut feedbacks = Vec::new();
    for _ in 0..8 {
        feedbacks.push(presentation.feedback(&window.surface, &client.qh(), ()));
        client.submit(&window.surface, &buffer);
    }
    let mut fates = Vec::new();
    for feedback in &feedbacks {
        fates.push(client.fate(feedback)?.is_some());
    }
    let presented = fates.iter().filter(|presented| **presented).count();
    match fates.last() {
        Some(true) => Ok(format!("{presented} of 8 presented")),
        _ => Err(Stop::fail("the last commit to be presented", "it was discarded")),
    }
}
