//! A request that waits for its commit.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.frame-callback-not-committed",
    does: "Asks for a frame callback and does not commit, while another surface of the window is shown.",
    must: "It is not called.",
    reference: "wayland.xml, wl_surface.frame: \"The frame request will take effect on the next wl_surface.commit\"",
    matters: "The client would draw the next frame before this one is there.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let (child, subsurface) = client.subsurface(&window.surface)?;
    subsurface.set_desync();
    let content = client.painted(FIRST)?;
    client.submit(&child, &content.buffer);
    client.present(&window.surface, &buffer)?;
    let frame = child.frame(&client.qh(), ());
    for _ in 0..3 {
        client.present(&window.surface, &buffer)?;
    }
    client.called(&frame, 0)?;
    child.commit();
    client.wait_for(&frame, 1)?;
    Ok("called after its commit only".to_owned())
}
