//! A chequerboard of 16 by 16 pixels that moves one pixel to the right every frame: edges that are
//! off by one row or column show.

use super::Draw;
use crate::config::Size;
use crate::format::{Pixel, opaque8};

pub struct Checker;

const CELL: u32 = 16;
const LIGHT: Pixel = opaque8(230, 230, 220);
const DARK: Pixel = opaque8(40, 60, 110);

impl Draw for Checker {
    fn span(&self, frame: u32, x: u32, y: u32, _size: Size, out: &mut [Pixel]) {
        for (i, pixel) in out.iter_mut().enumerate() {
            let x = x.wrapping_add(i as u32).wrapping_sub(frame);
            *pixel = if (x / CELL + y / CELL).is_multiple_of(2) { LIGHT } else { DARK };
        }
    }
}
