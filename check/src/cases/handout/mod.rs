//! Memory that the compositor hands out.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[];
