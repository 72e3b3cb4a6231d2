//! Huge pages take the same seals, and do not keep what those promise.

use crate::cases::prelude::*;
use crate::hugepages;

pub(super) const CASE: Case = Case {
    id: "memory.hugetlb-sealed",
    does: "Shows a buffer in a sealed memfd of huge pages; there may be no such pages.",
    must: "The buffer is shown, or the pool is refused with wl_shm.invalid_fd.",
    reference: "wayland.xml, wl_shm.create_pool; memfd_create(2), MFD_HUGETLB; mmap(2), ENOMEM",
    matters: "mmap(2) fails where no huge pages are set aside, although size and seals are right; where there are some, all lengths are other than usual.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    share::show_or_refuse(session, hugepages::sealed()?)
}
