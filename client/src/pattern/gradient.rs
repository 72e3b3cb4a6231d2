//! Ramps from black to full brightness in red, green, blue and grey, in as many steps as the format
//! has: a 10-bit picture shown with 8 bits has visibly wider steps.

use super::Draw;
use crate::config::Size;
use crate::format::{Pixel, opaque};

pub struct Gradient;

impl Draw for Gradient {
    fn span(&self, _frame: u32, x: u32, y: u32, size: Size, out: &mut [Pixel]) {
        // A 16.16 fraction, rounded up so that the last column is exactly full brightness.
        let last = u64::from(size.width.max(2) - 1);
        let slope = 0xffff_0000_u64.div_ceil(last);
        let band = u64::from(y) * 4 / u64::from(size.height.max(1));
        for (i, pixel) in out.iter_mut().enumerate() {
            let x = u64::from(x) + i as u64;
            let v = (x.saturating_mul(slope) >> 16).min(0xffff) as u16;
            *pixel = match band {
                0 => opaque(v, 0, 0),
                1 => opaque(0, v, 0),
                2 => opaque(0, 0, v),
                _ => opaque(v, v, v),
            };
        }
    }
}
