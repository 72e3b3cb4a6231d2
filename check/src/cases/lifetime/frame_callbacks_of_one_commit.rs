//! Several callbacks of one commit.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.frame-callbacks-of-one-commit",
    does: "Asks for eight frame callbacks, and commits once.",
    must: "Each is called once, in order.",
    reference: "wayland.xml, wl_surface.frame",
    matters: "Libraries in one program ask for callbacks of their own on the same surface.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let mut frames: Vec<_> = (0..7).map(|_| window.surface.frame(&client.qh(), ())).collect();
    frames.push(client.submit(&window.surface, &buffer));
    for frame in &frames {
        client.wait_for(frame, 1)?;
    }
    client.settle()?;
    client.called_in_order(&frames)?;
    Ok("in order".to_owned())
}
