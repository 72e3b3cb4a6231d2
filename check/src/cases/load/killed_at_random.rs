//! The order of things in which a client dies is nobody's plan.

use crate::cases::prelude::*;
use std::os::fd::BorrowedFd;

pub(super) const CASE: Case = Case {
    id: "load.killed-at-random",
    does: "Has 100 clients do random things with surfaces, subsurfaces, pools and buffers, the same in each run, and die at a random byte.",
    must: SERVED,
    reference: "unix(7); wayland.xml",
    matters: "Combinations that nobody has thought of are what clients die in.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut numbers = Numbers(0xdead_5e1c);
    session.withstands(|_| {
        let memory = memory::sealed(4096)?;
        for _ in 0..100 {
            let mut other = Wire::connect(session)?;
            other.lives_for = 150 + numbers.below(3000);
            match life(&mut other, &mut numbers, memory.as_fd()) {
                Ok(()) | Err(Stop::Ended(_)) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    })
}

fn life(wire: &mut Wire, numbers: &mut Numbers, memory: BorrowedFd<'_>) -> Result<(), Stop> {
    let (shm, compositor) = (wire.bind("wl_shm")?, wire.bind("wl_compositor")?);
    let subcompositor = wire.bind("wl_subcompositor")?;
    let (mut pools, mut buffers, mut surfaces) = (Vec::new(), Vec::new(), Vec::new());
    surfaces.push(wire.window(compositor)?);
    loop {
        let pick = |numbers: &mut Numbers, of: &[u32]| of.get(numbers.below(of.len())).copied();
        let (pool, buffer) = (pick(numbers, &pools), pick(numbers, &buffers));
        let surface = pick(numbers, &surfaces);
        match (numbers.below(7), pool, buffer, surface) {
            (0, ..) => pools.push(wire.pool(shm, memory, 4096)?),
            (1, Some(pool), ..) => buffers.push(wire.pixel(pool)?),
            (2, _, _, Some(parent)) => {
                let child = wire.create("wl_surface", compositor, 0, &[])?;
                wire.create("wl_subsurface", subcompositor, 1, &[Arg::Uint(child), Arg::Uint(parent)])?;
                surfaces.push(child);
            }
            (3, Some(pool), ..) => {
                pools.retain(|other| *other != pool);
                wire.send(pool, 1, &[])?;
            }
            (4, _, Some(buffer), _) => {
                buffers.retain(|other| *other != buffer);
                wire.send(buffer, 0, &[])?;
            }
            (_, _, Some(buffer), Some(surface)) => {
                wire.create("wl_callback", surface, 3, &[])?;
                wire.commit(surface, buffer)?;
            }
            _ => {}
        }
    }
}
