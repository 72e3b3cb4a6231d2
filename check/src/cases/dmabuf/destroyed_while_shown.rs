//! The object goes, the picture stays.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "dmabuf.destroyed-while-shown",
    does: "Shows a buffer of a dma-buf, destroys it, its parameters and the global, and has the surface drawn again.",
    must: "The compositor goes on; what is shown then is its own affair.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1.destroy; wayland.xml, wl_buffer.destroy",
    matters: "A compositor that draws the surface again reads memory whose owner it has let go of.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut dmabufs = session.dmabufs()?;
    let window = dmabufs.client.window()?;
    let (buffer, dmabuf, pages) = dmabufs.square()?;
    dmabufs.client.present(&window.surface, &buffer)?;
    buffer.destroy();
    dmabufs.global.destroy();
    drop((dmabuf, pages));
    let frame = window.surface.frame(&dmabufs.client.qh(), ());
    let frame = dmabufs.client.note(frame);
    window.surface.damage(0, 0, SIDE, SIDE);
    window.surface.commit();
    dmabufs.client.wait_for(&frame, 1)?;
    Ok("went on".to_owned())
}
