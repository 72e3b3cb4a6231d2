//! What clients give to libxkbcommon, many of them as a C string.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keymap-text",
    does: "Takes a keymap, and reads it.",
    must: "Within the size that was said there is a text that begins with xkb_keymap, and a NUL at its end.",
    reference: "wayland.xml, wl_keyboard.keymap_format.xkb_v1",
    matters: "A client that looks for the NUL reads on behind the mapping where there is none.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(9)?;
    let keymap = client.keymap(&seat)?;
    let bytes = keymap.text()?;
    let end = bytes.iter().position(|byte| *byte == 0);
    let end = end.ok_or_else(|| Stop::fail("a NUL within the size", "none"))?;
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    // Comments may come first.
    let begins = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    match begins {
        Some(line) if line.starts_with("xkb_keymap") => Ok(format!("{end} characters")),
        other => Err(Stop::fail("a text that begins with xkb_keymap", format_args!("{other:?}"))),
    }
}
