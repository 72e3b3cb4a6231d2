//! The one way to make sealed memory fault.

use rustix::fs::FallocateFlags;

use crate::cases::prelude::*;
use crate::hugepages::{self, HugePages};

pub(super) const CASE: Case = Case {
    id: "memory.hugetlb-punched",
    does: "Shows a buffer in a sealed memfd of huge pages, punches a hole, has the last free huge page taken away, and shows the buffer again.",
    must: "The client may be ended with wl_shm.invalid_fd, at the pool's creation or at the fault; the compositor goes on.",
    reference: "fallocate(2), FALLOC_FL_PUNCH_HOLE; mmap(2), SIGBUS",
    matters: "The page cannot come again, so reading it is SIGBUS; who leaves out the guard because of the seal is ended.",
    danger: Some("compositors that trust the seal, or have no SIGBUS handler, end"),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    done_or_refused(punch(session), &share::invalid_fd())
}

fn punch(session: &Session) -> Outcome {
    let pages = HugePages::take(2)?;
    let memory = hugepages::sealed()?;
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(&memory)?;
    client.present(&window.surface, &buffer)?;
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&memory, hole, 0, hugepages::SIZE).map_err(memory::cannot("punch a hole"))?;
    pages.empty()?;
    client.present(&window.surface, &buffer)?;
    Ok("went on".to_owned())
}
