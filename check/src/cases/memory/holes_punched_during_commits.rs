//! Pages go away and come back under the reader, and nothing faults.

use rustix::fs::FallocateFlags;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.holes-punched-during-commits",
    does: "Punches holes into sealed memory and fills them, all the time, while a buffer in it is shown twenty times.",
    must: "The buffer is shown each time.",
    reference: "fcntl(2), F_SEAL_SHRINK; fallocate(2), FALLOC_FL_PUNCH_HOLE",
    matters: "Who takes a missing page for a missing file ends clients that did nothing wrong.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&memory, punch, 0, BYTES as u64).map_err(memory::cannot("punch a hole"))?;
    share::meanwhile(
        || {
            let _ = memory::write_pixels(&memory, 0, &[0xff40_4040; 1024]);
            let _ = rustix::fs::fallocate(&memory, punch, 0, BYTES as u64);
        },
        20,
        || client.present(&window.surface, &buffer),
    )?;
    Ok("shown".to_owned())
}
