//! The next buffer is committed, but the last one is still on the screen.

use crate::frames::{FIRST, SECOND, STAMP};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.released-early-when-replaced",
    does: "Commits one buffer after the other, overwrites each as soon as it is released, and looks at the output each time.",
    must: "What is overwritten is never on the output.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"",
    matters: "Who releases at the commit what the next frame still reads makes every animation tear.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let camera = client.screenshots()?;
    let (window, _) = client.visible_window()?;
    let buffers = [client.painted(FIRST)?, client.painted(SECOND)?];
    client.present(&window.surface, &buffers[1].buffer)?;
    for round in 0..8 {
        let (next, last) = (&buffers[round % 2], &buffers[1 - round % 2]);
        let before = round.div_ceil(2);
        client.submit(&window.surface, &next.buffer);
        client.wait_for(&last.buffer, before + usize::from(round % 2 == 0))?;
        last.paint(STAMP)?;
        let picture = camera.take(&mut client)?;
        if picture.count(STAMP) > 0 {
            return Err(Stop::fail("what was committed", "what the client wrote after the release"));
        }
        last.paint(if round % 2 == 0 { SECOND } else { FIRST })?;
    }
    Ok("never read after its release".to_owned())
}
