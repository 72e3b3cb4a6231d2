//! What is limited for each client is not limited for all of them together.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.fds-to-the-limit",
    does: "Makes 3000 pools over each of eight connections.",
    must: SERVED,
    reference: "wayland.xml, wl_display.error.no_memory; accept(2), EMFILE",
    matters: "Several clients can do together what one may not; without fds a compositor cannot so much as take in a client.",
    danger: Some("while it lasts, a compositor that is out of fds takes in no program"),
    limit: Duration::from_secs(30),
    run,
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let memory = memory::sealed(4096)?;
        let mut others = Vec::new();
        for _ in 0..7 {
            let mut other = Wire::connect(session)?;
            // What becomes of one of them does not concern the others.
            let _ = pools(&mut other, &memory);
            others.push(other);
        }
        pools(wire, &memory)
    })
}

fn pools(wire: &mut Wire, memory: impl AsFd) -> Result<(), Stop> {
    let shm = wire.bind("wl_shm")?;
    for _ in 0..3000 {
        wire.pool(shm, memory.as_fd(), 4096)?;
    }
    Ok(())
}
