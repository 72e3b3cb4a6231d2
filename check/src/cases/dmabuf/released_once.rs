//! The client draws into it again when it is released.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.released-once",
    does: "Shows a buffer of a dma-buf, and then another one.",
    must: "The first is released exactly once, after the other was committed.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1; wayland.xml, wl_buffer.release",
    matters: "Released too early it shows a tear, never it stops the client, twice it confuses it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut dmabufs = session.dmabufs()?;
    let window = dmabufs.client.window()?;
    let (first, _dmabuf, _pages) = dmabufs.square()?;
    let (second, _dmabuf, _pages) = dmabufs.square()?;
    dmabufs.client.present(&window.surface, &first)?;
    for _ in 0..3 {
        dmabufs.client.present(&window.surface, &second)?;
    }
    dmabufs.client.wait_for(&first, 1)?;
    dmabufs.client.present(&window.surface, &second)?;
    match dmabufs.client.releases(&first) {
        1 => Ok("released once".to_owned()),
        times => Err(Stop::fail("one release", format_args!("{times}"))),
    }
}
