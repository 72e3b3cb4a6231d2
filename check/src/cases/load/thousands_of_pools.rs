//! Each pool costs a compositor an fd or a mapping, and both are limited.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.thousands-of-pools",
    does: "Makes 4000 pools, each in a memfd of its own, and keeps them.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.no_memory; getrlimit(2), RLIMIT_NOFILE",
    matters: "A compositor that lets one client use up its fds cannot take in anybody else's.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let shm = wire.bind("wl_shm")?;
        for _ in 0..4000 {
            let memory = memory::sealed(4096)?;
            wire.pool(shm, memory.as_fd(), 4096)?;
        }
        Ok(())
    })
}
