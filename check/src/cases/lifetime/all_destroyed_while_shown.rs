//! Buffer, pool and fd are gone; the window is still there, and the memory untouched.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.all-destroyed-while-shown",
    does: "Destroys the pool and the buffer that are shown, closes the memory, and has the output drawn again.",
    must: "The compositor goes on; whether the picture stays was not always specified.",
    reference: "wayland.xml, wl_surface.attach: \"allowed as long as the underlying buffer storage isn't re-used\"",
    matters: "Who lets go of the memory with the last of these objects reads from nowhere.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let painted = client.painted(FIRST)?;
    let window = client.window()?;
    client.present(&window.surface, &painted.buffer)?;
    client.follow(&window, &painted.buffer)?;
    painted.buffer.destroy();
    drop(painted);
    client.settle()?;
    session.connect()?.shown_window()?;
    Ok(match client.look()? {
        Some(picture) if picture.count(FIRST) == 0 => "gone from the output".to_owned(),
        Some(_) => "still shown".to_owned(),
        None => "went on".to_owned(),
    })
}
