//! A client can be killed between any two instructions.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.killed-at-each-request",
    does: "Plays a short life, from the first pool to a subsurface that is shown, and dies after every 20 bytes that it sends.",
    must: SERVED,
    reference: "unix(7); wayland-book, Wire protocol",
    matters: "What is half made when its client dies is the hardest to take apart.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        let mut lives = 0;
        for bytes in (0..).step_by(20) {
            let mut other = Wire::connect(session)?;
            other.lives_for = bytes;
            lives += 1;
            match life(&mut other) {
                Ok(()) => break,
                Err(Stop::Ended(_)) if lives < 200 => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    })
}

fn life(wire: &mut Wire) -> Result<(), Stop> {
    let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
    let subcompositor = wire.bind("wl_subcompositor")?;
    let memory = memory::sealed(8192)?;
    let pool = wire.pool(shm, memory.as_fd(), 4096)?;
    let buffer = wire.pixel(pool)?;
    let window = wire.window(compositor)?;
    let child = wire.create("wl_surface", compositor, 0, &[])?;
    let role = wire.create("wl_subsurface", subcompositor, 1, &[Arg::Uint(child), Arg::Uint(window)])?;
    wire.create("wl_callback", child, 3, &[])?;
    wire.commit(child, buffer)?;
    wire.create("wl_callback", window, 3, &[])?;
    wire.commit(window, buffer)?;
    wire.send(pool, 2, &[Arg::Int(8192)])?;
    wire.send(pool, 1, &[])?;
    wire.commit(window, buffer)?;
    wire.send(buffer, 0, &[])?;
    wire.send(role, 0, &[])?;
    wire.send(child, 0, &[])?;
    wire.roundtrip()
}
