//! An upright white bar that jumps to the right, 8 pixels a frame: where two frames are mixed, the
//! bar is broken.

use super::Draw;
use crate::config::Size;
use crate::format::{Pixel, opaque8};

pub struct MovingBar;

const STEP: u32 = 8;
const BAR: Pixel = opaque8(255, 255, 255);
const GROUND: [Pixel; 2] = [opaque8(24, 26, 32), opaque8(34, 38, 48)];

impl Draw for MovingBar {
    fn span(&self, frame: u32, x: u32, y: u32, size: Size, out: &mut [Pixel]) {
        let width = u64::from(size.width.max(1));
        let bar = (width / 16).max(2);
        let left = u64::from(frame) * u64::from(STEP) % width;
        for (i, pixel) in out.iter_mut().enumerate() {
            let x = u64::from(x) + i as u64;
            // The bar leaves at the right edge and comes back at the left one.
            let inside = (x % width + width - left) % width < bar;
            *pixel = if inside { BAR } else { GROUND[((x / 32 + u64::from(y / 32)) % 2) as usize] };
        }
    }
}
