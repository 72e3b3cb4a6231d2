//! Each commit is presented, or discarded; nothing else.

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.presentation-once",
    does: "Asks for presentation feedback on six commits, waiting for the frame callback of each.",
    must: "Each feedback gets one of presented and discarded, once; and not all are discarded.",
    reference: "presentation-time.xml, wp_presentation_feedback",
    matters: "Video players measure their clocks by it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let presentation: WpPresentation = client.bind(1)?;
    let (window, buffer) = client.visible_window()?;
    let mut presented = 0;
    for _ in 0..6 {
        let feedback = presentation.feedback(&window.surface, &client.qh(), ());
        client.present(&window.surface, &buffer)?;
        presented += usize::from(client.fate(&feedback)?.is_some());
    }
    match presented {
        0 => Err(Stop::fail("a commit that is presented", "all were discarded")),
        count => Ok(format!("{count} of 6 presented")),
    }
}
