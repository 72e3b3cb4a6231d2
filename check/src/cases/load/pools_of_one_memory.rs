//! The same memory again and again costs its client nothing: one fd, which it sends.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.pools-of-one-memory",
    does: "Makes 8000 pools of one memfd, and keeps them.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.no_memory; unix(7), SCM_RIGHTS",
    matters: "The kernel gives the receiver a new fd each time, so the receiver runs out of them long before the sender.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let shm = wire.bind("wl_shm")?;
        let memory = memory::sealed(4096)?;
        for _ in 0..8000 {
            wire.pool(shm, memory.as_fd(), 4096)?;
        }
        Ok(())
    })
}
