//! A buffer that has been given back belongs to the client, and the picture to the surface.

use crate::frames::{FIRST, STAMP};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.contents-stay-after-release",
    does: "Shows a buffer; once it is released, destroys it, overwrites its memory, and looks at the output.",
    must: "The surface still shows what was in the buffer.",
    reference: "wayland.xml, wl_surface.attach: \"Destroying the wl_buffer after wl_buffer.release does not change the surface contents\"",
    matters: "A window turns black, or into another picture, under the user's eyes.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let painted = client.painted(FIRST)?;
    let window = client.window()?;
    client.present(&window.surface, &painted.buffer)?;
    client.follow(&window, &painted.buffer)?;
    client.settle()?;
    if client.releases(&painted.buffer) == 0 {
        return Ok("not released while it is shown".to_owned());
    }
    painted.buffer.destroy();
    painted.paint(STAMP)?;
    window.surface.damage(0, 0, SIDE, SIDE);
    window.surface.commit();
    client.settle()?;
    match client.look()? {
        Some(picture) if picture.count(FIRST) == 0 => {
            Err(Stop::fail("what was in the buffer", "something else on the output"))
        }
        Some(_) => Ok("still shown".to_owned()),
        None => Ok("nobody can look".to_owned()),
    }
}
