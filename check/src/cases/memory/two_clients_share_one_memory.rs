//! Processes of one program share a file, and each has a connection of its own.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.two-clients-share-one-memory",
    does: "Has two clients make pools of one sealed file and show it; one goes, and the other shows it again.",
    must: "Both are shown, and the second one also after the first is gone.",
    reference: "wayland.xml, wl_shm.create_pool",
    matters: "What is kept for one client must not be thrown away, or kept, for another's sake.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut first = session.connect()?;
    let window = first.window()?;
    let buffer = first.square_of(&memory)?;
    first.present(&window.surface, &buffer)?;
    let mut second = session.connect()?;
    let window = second.window()?;
    let buffer = second.square_of(&memory)?;
    second.present(&window.surface, &buffer)?;
    drop(first);
    second.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
