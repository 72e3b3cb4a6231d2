//! The size that is said and the size that is there are two.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keymap-size",
    does: "Takes a keymap, and asks for the size of its file.",
    must: "The file is at least as large as the event says, and not empty.",
    reference: "wayland.xml, wl_keyboard.keymap; mmap(2), SIGBUS",
    matters: "A client that maps as much as it is told is ended by SIGBUS where the file is shorter.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(9)?;
    let keymap = client.keymap(&seat)?;
    let file =
        rustix::fs::fstat(&keymap.fd).map_err(|error| Stop::fail("a file with a size", error))?.st_size;
    if keymap.size == 0 || file < i64::from(keymap.size) {
        let expected = format!("a file of at least {} bytes, and at least one", keymap.size);
        return Err(Stop::fail(expected, format_args!("{file} bytes")));
    }
    Ok(format!("{} bytes in a file of {file}", keymap.size))
}
