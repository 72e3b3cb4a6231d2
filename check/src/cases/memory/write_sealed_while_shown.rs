//! The client has drawn its last picture.

use rustix::fs::SealFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.write-sealed-while-shown",
    does: "Shows a buffer in sealed memory, adds F_SEAL_FUTURE_WRITE, and shows the buffer again.",
    must: "The buffer is shown both times.",
    reference: "fcntl(2), F_SEAL_FUTURE_WRITE",
    matters: "Mappings that exist go on; one that is made anew for each frame, and for writing, is refused from now on.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    client.present(&window.surface, &buffer)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::FUTURE_WRITE)
        .map_err(memory::cannot("add F_SEAL_FUTURE_WRITE"))?;
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
