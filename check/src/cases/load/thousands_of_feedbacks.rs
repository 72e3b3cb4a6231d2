//! Presentation feedback waits for a presentation, which may never come.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.thousands-of-feedbacks",
    does: "Asks for 20000 presentation feedbacks of a surface that is never shown, and commits it.",
    must: SERVED,
    reference: "presentation-time.xml, wp_presentation.feedback; wayland.xml, wl_display.error.no_memory",
    matters: "Feedback is kept until its content is shown or replaced, and a client decides when that is.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let (compositor, presentation) = (wire.bind("wl_compositor")?, wire.bind("wp_presentation")?);
        let surface = wire.create("wl_surface", compositor, 0, &[])?;
        for _ in 0..20_000 {
            let id = wire.new_id("wp_presentation_feedback");
            wire.send(presentation, 1, &[Arg::Uint(surface), Arg::Uint(id)])?;
        }
        wire.send(surface, 6, &[])
    })
}
