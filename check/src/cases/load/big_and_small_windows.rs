//! A window of another size with each commit, and large ones.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.big-and-small-windows",
    does: "Commits buffers of 1000 by 1000 pixels and of one pixel in turns, 30 times, each after the one before was dealt with.",
    must: SERVED,
    reference: "wayland.xml, wl_surface.attach, wl_surface.commit",
    matters: "Pictures and textures that are made anew for each size are large, and easily kept.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

const LARGE: i32 = 1000;

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
        let memory = memory::sealed((LARGE * LARGE * 4) as u64)?;
        let pool = wire.pool(shm, memory.as_fd(), LARGE * LARGE * 4)?;
        let small = wire.pixel(pool)?;
        let layout = [Arg::Int(0), Arg::Int(LARGE), Arg::Int(LARGE), Arg::Int(LARGE * 4), Arg::Uint(1)];
        let large = wire.create("wl_buffer", pool, 0, &layout)?;
        let window = wire.window(compositor)?;
        for _ in 0..15 {
            wire.commit(window, large)?;
            wire.roundtrip()?;
            wire.commit(window, small)?;
            wire.roundtrip()?;
        }
        Ok(())
    })
}
