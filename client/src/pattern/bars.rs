//! Colour bars after SMPTE EG 1: seven bars at three quarters of full brightness, the reversed blue
//! row below them, and a row with white and near-black steps at the bottom.

use super::Draw;
use crate::config::Size;
use crate::format::{Pixel, opaque8};

pub struct Bars;

const TOP: [Pixel; 7] = [
    opaque8(192, 192, 192),
    opaque8(192, 192, 0),
    opaque8(0, 192, 192),
    opaque8(0, 192, 0),
    opaque8(192, 0, 192),
    opaque8(192, 0, 0),
    opaque8(0, 0, 192),
];

const MIDDLE: [Pixel; 7] = [
    opaque8(0, 0, 192),
    opaque8(19, 19, 19),
    opaque8(192, 0, 192),
    opaque8(19, 19, 19),
    opaque8(0, 192, 192),
    opaque8(19, 19, 19),
    opaque8(192, 192, 192),
];

/// In twenty-eighths of the width: where each field of the bottom row ends.
const BOTTOM: [(u64, Pixel); 8] = [
    (5, opaque8(0, 33, 76)),
    (10, opaque8(255, 255, 255)),
    (15, opaque8(50, 0, 106)),
    (20, opaque8(19, 19, 19)),
    (21, opaque8(9, 9, 9)),
    (22, opaque8(19, 19, 19)),
    (24, opaque8(29, 29, 29)),
    (28, opaque8(19, 19, 19)),
];

impl Draw for Bars {
    fn span(&self, _frame: u32, x: u32, y: u32, size: Size, out: &mut [Pixel]) {
        let (w, h, y) = (u64::from(size.width.max(1)), u64::from(size.height), u64::from(y));
        let seventh = |x: u64| (x * 7 / w).min(6) as usize;
        for (i, pixel) in out.iter_mut().enumerate() {
            let x = u64::from(x) + i as u64;
            *pixel = if y * 3 < h * 2 {
                TOP[seventh(x)]
            } else if y * 4 < h * 3 {
                MIDDLE[seventh(x)]
            } else {
                let field = BOTTOM.iter().find(|(end, _)| x * 28 < end * w);
                field.map_or(BOTTOM[7].1, |(_, colour)| *colour)
            };
        }
    }
}
