//! A client may have as many keyboards as it likes, as toolkits and their plugins do.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keymap-for-each-keyboard",
    does: "Makes two keyboards of one seat and one of another client's.",
    must: "Each gets a keymap with the same text.",
    reference: "wayland.xml, wl_keyboard.keymap",
    matters: "A library inside of a program has its own keyboard, and cannot ask the program for its keymap.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(9)?;
    let keymap = client.keymap(&seat)?;
    let second = client.keymap(&seat)?;
    let mut other = session.connect()?;
    let seat = other.seat(9)?;
    let third = other.keymap(&seat)?;
    let text = keymap.text()?;
    if second.text()? != text || third.text()? != text {
        return Err(Stop::fail("the same keymap each time", "another"));
    }
    Ok("the same".to_owned())
}
