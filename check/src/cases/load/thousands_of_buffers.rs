//! Buffers are but numbers to their client; each is a record in the compositor.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.thousands-of-buffers",
    does: "Makes 40000 buffers in one pool, and keeps them.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.no_memory",
    matters: "What is kept of each buffer adds up, and it stays if a compositor forgets to free it with its client.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let shm = wire.bind("wl_shm")?;
        let memory = memory::sealed(4096)?;
        let pool = wire.pool(shm, memory.as_fd(), 4096)?;
        for _ in 0..40_000 {
            wire.pixel(pool)?;
        }
        Ok(())
    })
}
