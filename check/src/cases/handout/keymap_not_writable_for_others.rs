//! One client writes into what another one reads.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keymap-not-writable-for-others",
    does: "Takes a keymap, writes a byte into it if that can be done, and has another client take its keymap.",
    must: "The other client's keymap is as it was.",
    reference: "wayland.xml, wl_keyboard.keymap, read-only; fcntl(2), F_SEAL_WRITE",
    matters: "Whoever can change the keymap of others can change what they type, or end them with a broken one.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(9)?;
    let keymap = client.keymap(&seat)?;
    let text = keymap.text()?;
    let Some(fd) = keymap.writable() else { return Ok("nobody can open it for writing".to_owned()) };
    if rustix::io::pwrite(&fd, b"#", 0).is_err() {
        return Ok("sealed against writing".to_owned());
    }
    let mut other = session.connect()?;
    let theirs = other.seat(9).and_then(|seat| other.keymap(&seat)).and_then(|keymap| keymap.text());
    // As it was, for whoever shares it.
    let _ = rustix::io::pwrite(&fd, text.get(..1).unwrap_or_default(), 0);
    if theirs? == text {
        Ok("a copy of its own".to_owned())
    } else {
        Err(Stop::fail("a keymap that others cannot change", "what the first client wrote"))
    }
}
