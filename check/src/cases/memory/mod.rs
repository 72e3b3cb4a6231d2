//! What is shared: kinds of memory, seals, sizes, and their changes.

mod resize_past_sealed_file;
mod sealed_memfd;
mod shrink_after_commit;

use crate::case::Case;

pub(super) const CASES: &[Case] =
    &[sealed_memfd::CASE, shrink_after_commit::CASE, resize_past_sealed_file::CASE];
