//! Dma-bufs and their synchronisation.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[];
