//! A window that is shown is told of each frame, and each buffer of its release, whether anybody reads it or not.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.frames-unread",
    does: "Shows 20000 frames in a window as fast as they are taken, asks for a callback with each, and reads nothing.",
    must: SERVED,
    reference: "wayland.xml, wl_surface.frame, wl_buffer.release",
    matters: "A client that hangs while its window is shown is an everyday thing, and must cost others nothing.",
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
        wire.reads = false;
        wire.patience = session.seconds(1);
        for _ in 0..20_000 {
            wire.create("wl_callback", window, 3, &[])?;
            wire.commit(window, buffer)?;
        }
        Ok(())
    })
}
