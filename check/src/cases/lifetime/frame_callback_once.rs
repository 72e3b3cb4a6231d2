//! One request, one notification.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.frame-callback-once",
    does: "Asks for a frame callback, and shows three more frames without one.",
    must: "The callback is called once.",
    reference: "wayland.xml, wl_surface.frame: \"The notification will only be posted for one frame unless requested again\"",
    matters: "Drawing on each notification, a client would draw twice as often with each frame.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let frame = client.submit(&window.surface, &buffer);
    client.wait_for(&frame, 1)?;
    for _ in 0..3 {
        window.surface.damage(0, 0, SIDE, SIDE);
        window.surface.commit();
        client.settle()?;
    }
    client.called(&frame, 1)?;
    Ok("once".to_owned())
}
