//! A zone plate: its rings reach the finest line a picture can hold at the middle of its longer
//! edges, so any scaling, skipped pixel or wrong stride shows at once.

use super::Draw;
use super::wave::{TURN, sine};
use crate::config::Size;
use crate::format::{Pixel, opaque};

pub struct ZonePlate;

impl Draw for ZonePlate {
    fn span(&self, frame: u32, x: u32, y: u32, size: Size, out: &mut [Pixel]) {
        // Distances are doubled, so that the centre of an even picture lies between two pixels.
        let twice = |at: u64, length: u32| (2 * at as i64 + 1 - i64::from(length)).unsigned_abs();
        // Turns per (doubled distance)², as a 32.32 fraction of a step: half a turn per pixel at the
        // edge. Only the low bits of the step matter, so the products may wrap.
        let longer = u64::from(size.width.max(size.height).max(1));
        let factor = (u64::from(TURN / 8) << 32) / longer;
        let dy = twice(u64::from(y), size.height);
        let dy2 = dy.wrapping_mul(dy);
        for (i, pixel) in out.iter_mut().enumerate() {
            let dx = twice(u64::from(x) + i as u64, size.width);
            let steps = dx.wrapping_mul(dx).wrapping_add(dy2).wrapping_mul(factor) >> 32;
            let grey = sine((steps as u32).wrapping_sub(frame.wrapping_mul(24)));
            *pixel = opaque(grey, grey, grey);
        }
    }
}
