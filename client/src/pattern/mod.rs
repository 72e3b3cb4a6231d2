//! Test patterns: pictures that are a pure function of frame, position and size.
//!
//! All in integers, so that the same frame is the same picture on every machine and a screenshot can
//! be compared bit by bit. A pattern draws spans of rows into private memory; what becomes of them
//! is [`crate::picture`]'s business.

mod bars;
mod checker;
mod gradient;
mod moving_bar;
mod plasma;
mod wave;
mod zone_plate;

use std::fmt;
use std::str::FromStr;

use crate::config::{ConfigError, Size};
use crate::format::Pixel;

/// How one pattern is drawn.
trait Draw {
    /// Fills `out` with opaque pixels: those of row `y` of frame `frame`, from column `x` on.
    fn span(&self, frame: u32, x: u32, y: u32, size: Size, out: &mut [Pixel]);
}

/// A test pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Colour bars after SMPTE: wrong channel orders show. Does not move.
    Bars,
    /// Circles that grow finer towards the edges: scaling and wrong strides show. Its rings move.
    ZonePlate,
    /// Ramps of red, green, blue and grey: missing bits show as steps. Does not move.
    Gradient,
    /// A chequerboard that moves a pixel to the right every frame.
    Checker,
    /// An upright bar that jumps to the right: a torn frame shows as a broken bar.
    MovingBar,
    /// Coloured clouds; every pixel changes in every frame.
    Plasma,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Pattern; 6] = [
        Pattern::Bars,
        Pattern::ZonePlate,
        Pattern::Gradient,
        Pattern::Checker,
        Pattern::MovingBar,
        Pattern::Plasma,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Pattern::Bars => "bars",
            Pattern::ZonePlate => "zone-plate",
            Pattern::Gradient => "gradient",
            Pattern::Checker => "checker",
            Pattern::MovingBar => "moving-bar",
            Pattern::Plasma => "plasma",
        }
    }

    /// Whether a frame differs from the one before (its stamp apart).
    pub const fn moves(self) -> bool {
        !matches!(self, Pattern::Bars | Pattern::Gradient)
    }

    /// The number of the pattern in a stamp: its place in [`Pattern::ALL`].
    pub fn number(self) -> u8 {
        Pattern::ALL.iter().position(|p| *p == self).unwrap_or_default() as u8
    }

    /// Fills `out` with opaque pixels: those of row `y` of frame `frame` of a picture of `size`, from
    /// column `x` on. Columns and rows outside the picture give some colour, never a panic.
    pub fn span(self, frame: u32, x: u32, y: u32, size: Size, out: &mut [Pixel]) {
        let draw: &dyn Draw = match self {
            Pattern::Bars => &bars::Bars,
            Pattern::ZonePlate => &zone_plate::ZonePlate,
            Pattern::Gradient => &gradient::Gradient,
            Pattern::Checker => &checker::Checker,
            Pattern::MovingBar => &moving_bar::MovingBar,
            Pattern::Plasma => &plasma::Plasma,
        };
        draw.span(frame, x, y, size, out);
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Pattern {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Pattern, ConfigError> {
        Pattern::ALL
            .into_iter()
            .find(|p| p.name().eq_ignore_ascii_case(s))
            .ok_or_else(|| ConfigError::UnknownPattern(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(pattern: Pattern, frame: u32, y: u32, size: Size) -> Vec<Pixel> {
        let mut out = vec![0; size.width as usize];
        pattern.span(frame, 0, y, size, &mut out);
        out
    }

    #[test]
    fn those_that_move_move_and_the_others_stay() {
        let size = Size::new(320, 200);
        for pattern in Pattern::ALL {
            let moved = (0..size.height).any(|y| row(pattern, 0, y, size) != row(pattern, 1, y, size));
            assert_eq!(moved, pattern.moves(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_span_is_a_part_of_its_row(
            which in 0..6usize, frame: u32, w in 1..200u32, h in 1..200u32, x in 0..200u32, y in 0..200u32,
        ) {
            let (pattern, size) = (Pattern::ALL[which], Size::new(w, h));
            let (x, y) = (x % w, y % h);
            let whole = row(pattern, frame, y, size);
            let mut part = vec![0; (w - x) as usize];
            pattern.span(frame, x, y, size, &mut part);
            prop_assert_eq!(&whole[x as usize..], &part[..]);
            prop_assert!(whole.iter().all(|p| p >> 48 == 0xffff));
        }

        #[test]
        fn no_number_panics(which in 0..6usize, frame: u32, x: u32, y: u32, w: u32, h: u32) {
            Pattern::ALL[which].span(frame, x, y, Size::new(w, h), &mut [0; 3]);
        }
    }
}
