//! A buffer that is attached and no more.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.uncommitted-never-released",
    does: "Attaches a buffer and does not commit, while others are shown.",
    must: "It gets no release event.",
    reference: "wayland.xml, wl_surface.attach: \"Committing a pending wl_buffer allows the compositor to read the pixels\"",
    matters: "The client has filled it for its next commit, and may reuse it at a release.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let (waiting, (child, subsurface)) = (client.painted(FIRST)?, client.subsurface(&window.surface)?);
    subsurface.set_desync();
    child.attach(Some(&waiting.buffer), 0, 0);
    for _ in 0..3 {
        client.present(&window.surface, &buffer)?;
    }
    match client.releases(&waiting.buffer) {
        0 => Ok("no release".to_owned()),
        count => Err(Stop::fail("no release of a buffer that was never committed", count)),
    }
}
