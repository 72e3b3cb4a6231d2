//! A client that does not wait for its frame callbacks, as a benchmark does not.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.flood-of-commits",
    does: "Commits a window 30000 times without waiting for anything.",
    must: SERVED,
    reference: "wayland.xml, wl_surface.commit, wl_surface.frame",
    matters: "Where each commit costs what a frame costs, a client that draws without end leaves nothing for the others.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
        let memory = memory::sealed(4096)?;
        let pool = wire.pool(shm, memory.as_fd(), 4096)?;
        let buffer = wire.pixel(pool)?;
        let window = wire.window(compositor)?;
        for _ in 0..30_000 {
            wire.commit(window, buffer)?;
        }
        Ok(())
    })
}
