//! The seal forbids to cut memory off; to empty it in the middle is allowed.

use rustix::fs::FallocateFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.hole-punched",
    does: "Shows a buffer in sealed memory, punches a hole of all of it, and shows the buffer again.",
    must: "The buffer is shown both times; a hole reads as zeros.",
    reference: "fcntl(2), F_SEAL_SHRINK; fallocate(2), FALLOC_FL_PUNCH_HOLE",
    matters: "foot gives memory back in this way while it is in use.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    memory::write_pixels(&memory, 0, &[0xff80_8080; (SIDE * SIDE) as usize])?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    client.present(&window.surface, &buffer)?;
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&memory, punch, 0, BYTES as u64).map_err(memory::cannot("punch a hole"))?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
