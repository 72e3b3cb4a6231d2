//! The largest size that the protocol can say.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "memory.claims-two-gibibytes",
    does: "Makes a pool of 2147483647 bytes of a sealed file of 16 KiB, and shows a buffer in the part that is there.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; mmap(2)",
    matters: "Sizes near the largest number are where sums overflow, and where limits on address space are met.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(claim(session), &share::invalid_fd())
}

fn claim(session: &Session) -> Outcome {
    let memory = memory::sealed(BYTES as u64)?;
    let mut client = session.connect()?;
    let shm: wl_shm::WlShm = client.bind(1)?;
    let window = client.window()?;
    let pool = client.pool(&shm, memory, i32::MAX);
    let buffer = client.buffer(&pool, SIDE, SIDE);
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
