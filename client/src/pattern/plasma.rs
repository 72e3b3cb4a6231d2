//! Plasma: a sum of moving waves, turned into colours. Every pixel changes in every frame, which is
//! what damage tracking cannot save anything on.

use super::Draw;
use super::wave::{TURN, sine};
use crate::config::Size;
use crate::format::{Pixel, opaque};

pub struct Plasma;

impl Draw for Plasma {
    fn span(&self, frame: u32, x: u32, y: u32, _size: Size, out: &mut [Pixel]) {
        let f = |speed: u32| frame.wrapping_mul(speed);
        let across = u32::from(sine(y.wrapping_mul(6).wrapping_add(f(11))));
        let bend = across >> 8;
        for (i, pixel) in out.iter_mut().enumerate() {
            let x = x.wrapping_add(i as u32);
            let sum = u32::from(sine(x.wrapping_mul(4).wrapping_add(bend).wrapping_add(f(7))))
                + u32::from(sine(x.wrapping_add(y).wrapping_mul(3).wrapping_sub(f(5))))
                + across;
            // Three waves of 16 bits: six bits dropped leave three turns of the colour circle.
            let angle = (sum >> 6).wrapping_add(f(4));
            *pixel = {
                let turned = |by: u32| sine(angle.wrapping_add(by));
                opaque(turned(0), turned(TURN / 3), turned(2 * TURN / 3))
            };
        }
    }
}
