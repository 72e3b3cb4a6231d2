//! The largest pool that the protocol can say.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.pool-of-highest-size",
    does: "Creates a pool of 2147483647 bytes in memory of that size, and shows a buffer at its very end.",
    must: "The buffer is shown, or the client is ended because there is no room.",
    reference: "wayland.xml, wl_shm.create_pool",
    matters: "Sums of such sizes leave 32 bits at once, and terminals make pools of half that size.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    // The last multiple of four bytes where it still fits.
    let offset = (i32::MAX - BYTES) & !3;
    let refusals = [Refusal::shm(wl_shm::Error::InvalidFd), Refusal::display(wl_display::Error::NoMemory)];
    let memory = memory::sealed(i32::MAX as u64)?;
    let show = || {
        let mut client = session.connect()?;
        let shm: wl_shm::WlShm = client.bind(1)?;
        let pool = client.pool(&shm, &memory, i32::MAX);
        let buffer = client.buffer_at(&pool, (offset, SIDE, SIDE, SIDE * 4), wl_shm::Format::Xrgb8888);
        let window = client.window()?;
        client.present(&window.surface, &buffer)?;
        Ok("shown".to_owned())
    };
    done_or_refused(show(), &refusals)
}
