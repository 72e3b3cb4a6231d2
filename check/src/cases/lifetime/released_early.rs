//! A buffer that is given back is read no more: the client writes into it at once.

use crate::frames::{FIRST, STAMP};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.released-early",
    does: "Shows a buffer, overwrites it as soon as it is released, has the output drawn again, and looks at it.",
    must: "What is overwritten is never on the output.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"",
    matters: "The picture tears: parts of it are the next frame, or nonsense.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let camera = client.screenshots()?;
    let painted = client.painted(FIRST)?;
    let window = client.window()?;
    client.present(&window.surface, &painted.buffer)?;
    client.follow(&window, &painted.buffer)?;
    client.settle()?;
    if client.releases(&painted.buffer) == 0 {
        return Ok("not released while it is shown".to_owned());
    }
    painted.paint(STAMP)?;
    for _ in 0..3 {
        window.surface.damage(0, 0, SIDE, SIDE);
        window.surface.commit();
        let picture = camera.take(&mut client)?;
        if picture.count(STAMP) > 0 || picture.count(FIRST) == 0 {
            return Err(Stop::fail("what was committed", "what the client wrote after the release"));
        }
    }
    Ok("released while it is shown, and not read again".to_owned())
}
