//! One client cuts off what another one has mapped.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keymap-not-cut-off-for-others",
    does: "Takes a keymap, cuts its file to nothing if that can be done, and has another client take its keymap.",
    must: "The other client's keymap is as it was.",
    reference: "wayland.xml, wl_keyboard.keymap, read-only; fcntl(2), F_SEAL_SHRINK; mmap(2), SIGBUS",
    matters: "Every client that reads its keymap then is ended by SIGBUS: the attack on compositors, the other way round.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(9)?;
    let keymap = client.keymap(&seat)?;
    let text = keymap.text()?;
    let Some(fd) = keymap.writable() else { return Ok("nobody can open it for writing".to_owned()) };
    if rustix::fs::ftruncate(&fd, 0).is_err() {
        return Ok("sealed against shrinking".to_owned());
    }
    let mut other = session.connect()?;
    let theirs = other.seat(9).and_then(|seat| other.keymap(&seat)).and_then(|keymap| keymap.text());
    // As it was, for whoever shares it.
    let _ = rustix::io::pwrite(&fd, &text, 0);
    if theirs? == text {
        Ok("a copy of its own".to_owned())
    } else {
        Err(Stop::fail("a keymap that others cannot cut off", "one that is cut off"))
    }
}
