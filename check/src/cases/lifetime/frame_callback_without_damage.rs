//! Nothing has changed, and the client wants to know when to draw next.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.frame-callback-without-damage",
    does: "Asks for a frame callback of a window that is shown, and commits nothing else.",
    must: "The callback is called.",
    reference: "wayland.xml, wl_surface.frame",
    matters: "Clients that wait for it before they change anything stand still for ever.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, _) = client.shown_window()?;
    for _ in 0..3 {
        let frame = window.surface.frame(&client.qh(), ());
        window.surface.commit();
        client.wait_for(&frame, 1)?;
    }
    Ok("called".to_owned())
}
