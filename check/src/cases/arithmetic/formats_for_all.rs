//! The two formats that a client may count on.

use std::collections::HashSet;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.formats-for-all",
    does: "Binds wl_shm and looks at the formats that it is offered.",
    must: "Argb8888 and xrgb8888 are among them, and none is named twice.",
    reference: "wayland.xml, wl_shm.format: \"Known formats include argb8888 and xrgb8888\"",
    matters: "Most clients never look, and draw in one of these two.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let offered = session.connect()?.formats()?;
    for (format, name) in [(wl_shm::Format::Argb8888, "argb8888"), (wl_shm::Format::Xrgb8888, "xrgb8888")] {
        if !offered.contains(&(format as u32)) {
            return Err(Stop::fail(format_args!("{name} among the formats"), format_args!("{offered:x?}")));
        }
    }
    let once: HashSet<u32> = offered.iter().copied().collect();
    if once.len() < offered.len() {
        return Err(Stop::fail("each format once", format_args!("{offered:x?}")));
    }
    Ok(format!("{} formats", offered.len()))
}
