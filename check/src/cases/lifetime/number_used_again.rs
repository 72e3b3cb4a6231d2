//! A new buffer has the number of an old one that may still be read.

use selkie_protocols::wayland_client::Proxy;

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.number-used-again",
    does: "Destroys a buffer that is shown, makes another with the same number, and replaces the first on the screen by a third.",
    must: "The second, which was never committed, gets no release event.",
    reference: "wayland.xml, wl_display.delete_id; wl_surface.attach",
    matters: "A compositor that remembers numbers gives the wrong buffer back.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, old) = client.shown_window()?;
    let number = old.id().protocol_id();
    let shm: wl_shm::WlShm = client.bind(1)?;
    let memory = memory::sealed(BYTES as u64)?;
    let pool = client.pool(&shm, &memory, BYTES);
    old.destroy();
    client.settle()?;
    let made: Vec<_> = (0..8).map(|_| client.buffer(&pool, SIDE, SIDE)).collect();
    let Some(at) = made.iter().position(|buffer| buffer.id().protocol_id() == number) else {
        return Ok("the number is not free again".to_owned());
    };
    let third = client.painted(FIRST)?;
    client.present(&window.surface, &third.buffer)?;
    client.present(&window.surface, &third.buffer)?;
    client.settle()?;
    match client.releases(&made[at]) {
        0 => Ok("no release".to_owned()),
        count => Err(Stop::fail("no release of a buffer that was never committed", count)),
    }
}
