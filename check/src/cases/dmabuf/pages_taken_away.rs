//! The memfd behind a udmabuf is still its client's.

use crate::cases::prelude::*;
use rustix::fs::FallocateFlags;

pub(super) const CASE: Case = Case {
    id: "dmabuf.pages-taken-away",
    does: "Shows a buffer of a udmabuf, punches all pages out of the memfd behind it, and has it drawn again.",
    must: "The buffer is shown as before: a dma-buf keeps its pages.",
    reference: "linux-dmabuf-v1.xml, zwp_linux_dmabuf_v1; fallocate(2), FALLOC_FL_PUNCH_HOLE",
    matters: "The pages of a dma-buf are pinned; a compositor that goes back to the memfd for them finds none.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut dmabufs = session.dmabufs()?;
    let window = dmabufs.client.window()?;
    let (buffer, _dmabuf, pages) = dmabufs.square()?;
    dmabufs.client.present(&window.surface, &buffer)?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&pages, flags, 0, BYTES as u64).map_err(memory::cannot("punch a hole"))?;
    dmabufs.client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
