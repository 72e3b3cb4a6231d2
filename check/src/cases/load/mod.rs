//! Too much of everything, and what is left afterwards.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[];
