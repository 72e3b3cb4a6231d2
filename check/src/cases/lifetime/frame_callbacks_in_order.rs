//! Several commits, each with a callback.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.frame-callbacks-in-order",
    does: "Commits eight times without waiting, each time with a frame callback.",
    must: "Each is called once, in the order of the commits.",
    reference: "wayland.xml, wl_surface.frame: \"the notifications are posted in the order the frame requests were committed\"",
    matters: "Clients tell their frames by this order.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let frames: Vec<_> = (0..8).map(|_| client.submit(&window.surface, &buffer)).collect();
    for frame in &frames {
        client.wait_for(frame, 1)?;
    }
    client.settle()?;
    client.called_in_order(&frames)?;
    Ok("in order".to_owned())
}
