//! Numbers at and beyond every edge.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[];
