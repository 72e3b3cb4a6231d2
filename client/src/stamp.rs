//! A machine-readable stamp on every picture: which frame this is, and whether it is whole.
//!
//! A screenshot of a compositor says nothing by itself about which frame it shows. So the client
//! writes the frame's number into the picture, in black and white blocks that survive any format and
//! scaling by whole numbers, with a checksum. The stamp is drawn twice, in the top left corner and at the bottom left: a
//! picture put together from two frames has two different stamps.
//!
//! A stamp is 16 by 8 cells of 8 by 8 pixels (128x64), one bit each (white is 1), read from left to
//! right, the highest bit first:
//!
//! | row | content |
//! |---|---|
//! | 0, 1 | the finder `0xacd5`, and its complement: found nowhere by accident, and fixes position and scale |
//! | 2, 3 | frame number, 32 bits |
//! | 4, 5 | width and height of the picture, 16 bits each |
//! | 6, 7 | bottom stamp (1 bit), pattern (7 bits), low 24 bits of the CRC-32 of all that |
//!
//! Pictures too small for both (128x128) have none.

use crate::config::Size;
use crate::format::{Pixel, opaque8};

/// Edge of a cell in the picture, in pixels.
pub const CELL: u32 = 8;
/// Cells across.
pub const COLUMNS: u32 = 16;
/// Cells down.
pub const ROWS: u32 = 8;
/// The size of one stamp, in pixels.
pub const SIZE: Size = Size::new(CELL * COLUMNS, CELL * ROWS);

const FINDER: u16 = 0xacd5;

/// Whether both stamps of a picture of this size fit.
pub const fn fits(size: Size) -> bool {
    size.width >= SIZE.width && size.height >= 2 * SIZE.height
}

/// What a stamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the frame, from 0.
    pub frame: u32,
    /// The size of the picture it is on, in buffer pixels.
    pub size: Size,
    /// The pattern's number, [`crate::Pattern::number`].
    pub pattern: u8,
}

/// Which of the two stamps of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the top left corner.
    Top,
    /// In the bottom left corner.
    Bottom,
}

impl Stamp {
    /// The rows of cells, the leftmost cell in the highest bit.
    fn cells(&self, place: Place) -> [u16; ROWS as usize] {
        let size = self.size.width << 16 | self.size.height & 0xffff;
        let tag = self.pattern & 0x7f | if place == Place::Bottom { 0x80 } else { 0 };
        let mut data = [0; 9];
        data[..4].copy_from_slice(&self.frame.to_be_bytes());
        data[4..8].copy_from_slice(&size.to_be_bytes());
        data[8] = tag;
        let last = u32::from(tag) << 24 | crc32fast::hash(&data) & 0xff_ffff;
        let [frame, size, last] = [self.frame, size, last].map(|word| [(word >> 16) as u16, word as u16]);
        [FINDER, !FINDER, frame[0], frame[1], size[0], size[1], last[0], last[1]]
    }

    /// What the cells say, if their checksum is right.
    fn of_cells(cells: [u16; ROWS as usize]) -> Option<(Stamp, Place)> {
        let word = |at: usize| u32::from(cells[at]) << 16 | u32::from(cells[at + 1]);
        let (size, last) = (word(4), word(6));
        let place = if last >> 31 == 1 { Place::Bottom } else { Place::Top };
        let pattern = (last >> 24) as u8 & 0x7f;
        let stamp = Stamp { frame: word(2), size: Size::new(size >> 16, size & 0xffff), pattern };
        (stamp.cells(place) == cells).then_some((stamp, place))
    }

    /// Draws what belongs to row `y` of the picture over `out`, whose first pixel is in column `x`.
    pub fn draw(&self, x: u32, y: u32, out: &mut [Pixel]) {
        if x >= SIZE.width || !fits(self.size) {
            return;
        }
        let bottom = self.size.height - SIZE.height;
        let (place, y) = match y {
            _ if y < SIZE.height => (Place::Top, y),
            _ if y >= bottom && y < self.size.height => (Place::Bottom, y - bottom),
            _ => return,
        };
        let cells = self.cells(place)[(y / CELL) as usize];
        for (x, pixel) in (x..SIZE.width).zip(out) {
            let white = cells >> (COLUMNS - 1 - x / CELL) & 1 == 1;
            *pixel = if white { opaque8(255, 255, 255) } else { opaque8(0, 0, 0) };
        }
    }
}

/// Why a picture has no valid stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// The stamp, or a part of it, is outside the screenshot.
    #[error("the {0:?} stamp is not within the screenshot")]
    Outside(Place),
    /// There is no stamp where one should be, or not a whole one.
    #[error("no valid {0:?} stamp there")]
    Unreadable(Place),
    /// The two stamps are of different frames: the picture is put together from both.
    #[error("torn: frame {} at the top, frame {} at the bottom", top.frame, bottom.frame)]
    Torn {
        /// The stamp at the top.
        top: Stamp,
        /// The stamp at the bottom.
        bottom: Stamp,
    },
    /// No stamp was found anywhere.
    #[error("no stamp in the screenshot")]
    NotFound,
}

/// A screenshot: pixels `0x??RRGGBB`, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Screenshot<'a> {
    /// The pixels; what is missing counts as outside.
    pub pixels: &'a [u32],
    /// Pixels from one row to the next.
    pub stride: usize,
    /// Its size.
    pub size: Size,
}

impl Screenshot<'_> {
    /// Whether the pixel is white rather than black: green is the brightest channel. None if outside.
    fn white(&self, x: u64, y: u64) -> Option<bool> {
        if x >= u64::from(self.size.width) || y >= u64::from(self.size.height) {
            return None;
        }
        let index =
            usize::try_from(y).ok()?.checked_mul(self.stride)?.checked_add(usize::try_from(x).ok()?)?;
        self.pixels.get(index).map(|p| p >> 8 & 0xff >= 0x80)
    }

    /// Reads one stamp whose top left corner is at (x, y).
    fn stamp(&self, x: u64, y: u64, cell: u64, place: Place) -> Result<Stamp, StampError> {
        let mut cells = [0; ROWS as usize];
        for (row, cells) in (0..).zip(&mut cells) {
            for column in 0..u64::from(COLUMNS) {
                let (x, y) = (x + column * cell + cell / 2, y + row * cell + cell / 2);
                let white = self.white(x, y).ok_or(StampError::Outside(place))?;
                *cells = *cells << 1 | u16::from(white);
            }
        }
        match Stamp::of_cells(cells) {
            Some((stamp, found)) if found == place => Ok(stamp),
            _ => Err(StampError::Unreadable(place)),
        }
    }

    /// Whether a finder starts exactly here: looks at the corners of its cells, so that a position that
    /// is off by one pixel does not match.
    fn has_finder(&self, x: u64, y: u64, cell: u64) -> bool {
        (0..u64::from(COLUMNS)).all(|column| {
            let bit = FINDER >> (u64::from(COLUMNS) - 1 - column) & 1 == 1;
            let (left, right) = (x + column * cell, x + column * cell + cell - 1);
            [(0, bit), (cell - 1, bit), (cell, !bit), (2 * cell - 1, !bit)]
                .iter()
                .all(|(dy, bit)| [left, right].iter().all(|x| self.white(*x, y + dy) == Some(*bit)))
        })
    }
}

/// Decodes the stamps of a picture whose top left corner is at `origin` in the screenshot and whose cells have an edge
/// of `cell` pixels there ([`CELL`] if it is not scaled).
///
/// # Errors
///
/// If either stamp cannot be read, or the two differ.
pub fn decode(screenshot: Screenshot<'_>, origin: (u32, u32), cell: u32) -> Result<Stamp, StampError> {
    let (x, y, cell) = (u64::from(origin.0), u64::from(origin.1), u64::from(cell.max(1)));
    let top = screenshot.stamp(x, y, cell, Place::Top)?;
    let height = u64::from(top.size.height) * cell / u64::from(CELL);
    let below = height.checked_sub(u64::from(ROWS) * cell).ok_or(StampError::Unreadable(Place::Bottom))?;
    let bottom = screenshot.stamp(x, y + below, cell, Place::Bottom)?;
    if top == bottom { Ok(top) } else { Err(StampError::Torn { top, bottom }) }
}

/// A stamped picture that was found in a screenshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The picture's top left corner in the screenshot.
    pub origin: (u32, u32),
    /// The edge of a cell there, in pixels: [`CELL`] times the scale.
    pub cell: u32,
    /// What its stamps say, or why they do not agree.
    pub stamp: Result<Stamp, StampError>,
}

/// Every picture in the screenshot whose top stamp is whole, in the order of rows. Looks for scales 1, 2, 3, 4
/// and one half.
pub fn search(screenshot: Screenshot<'_>) -> impl Iterator<Item = Found> {
    const CELLS: [u32; 5] = [CELL, 2 * CELL, 3 * CELL, 4 * CELL, CELL / 2];
    let Size { width, height } = screenshot.size;
    let positions = (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
    positions.flat_map(|origin| CELLS.map(|cell| (origin, cell))).filter_map(move |(origin, cell)| {
        let (x, y, wide) = (u64::from(origin.0), u64::from(origin.1), u64::from(cell));
        let there = screenshot.has_finder(x, y, wide) && screenshot.stamp(x, y, wide, Place::Top).is_ok();
        there.then(|| Found { origin, cell, stamp: decode(screenshot, origin, cell) })
    })
}

/// All that [`search`] finds.
pub fn find_all(screenshot: Screenshot<'_>) -> Vec<Found> {
    search(screenshot).collect()
}

/// Finds the first picture in the screenshot and decodes its stamps.
///
/// # Errors
///
/// [`StampError::NotFound`], or what [`decode`] says.
pub fn find(screenshot: Screenshot<'_>) -> Result<(Found, Stamp), StampError> {
    let found = search(screenshot).next().ok_or(StampError::NotFound)?;
    Ok((found, found.stamp?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::pattern::Pattern;
    use crate::picture::Picture;
    use proptest::prelude::*;

    fn shot(pixels: &[u32], size: Size) -> Screenshot<'_> {
        Screenshot { pixels, stride: size.width as usize, size }
    }

    fn picture(pattern: Pattern, size: Size, format: Format) -> Picture {
        Picture { pattern, size, format, alpha: true, stamp: true }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn drawn_stamps_decode(
            frame: u32, which in 0..6usize, format in 0..14usize, w in 128..300u32, h in 128..300u32,
        ) {
            let (pattern, size) = (Pattern::ALL[which], Size::new(w, h));
            let pixels = picture(pattern, size, Format::PACKED[format]).shown(frame);
            let expected = Stamp { frame, size, pattern: which as u8 };
            prop_assert_eq!(decode(shot(&pixels, size), (0, 0), CELL), Ok(expected));
        }

        #[test]
        fn they_are_found_wherever_they_are(
            frame: u32, x in 0..60u32, y in 0..60u32, scale in 1..3u32, noise: u64,
        ) {
            let size = Size::new(130, 140);
            let picture = picture(Pattern::Plasma, size, Format::Xrgb8888).shown(frame);
            let screen = Size::new(330, 350);
            let mut state = noise | 1;
            let mut pixels: Vec<u32> = (0..screen.width * screen.height).map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as u32
            }).collect();
            for row in 0..size.height * scale {
                for column in 0..size.width * scale {
                    let to = (y + row) * screen.width + x + column;
                    pixels[to as usize] = picture[(row / scale * size.width + column / scale) as usize];
                }
            }
            let (found, stamp) = find(shot(&pixels, screen)).unwrap();
            prop_assert_eq!((found.origin, found.cell), ((x, y), CELL * scale));
            prop_assert_eq!(stamp, Stamp { frame, size, pattern: Pattern::Plasma.number() });
        }

        #[test]
        fn a_broken_cell_is_noticed(x in 0..128u32, y in 0..64u32) {
            let size = Size::new(128, 128);
            let mut pixels = picture(Pattern::Bars, size, Format::Xrgb8888).shown(5);
            for (dx, dy) in (0..CELL).flat_map(|dx| (0..CELL).map(move |dy| (dx, dy))) {
                pixels[((y / CELL * CELL + dy) * 128 + x / CELL * CELL + dx) as usize] ^= 0xffffff;
            }
            prop_assert_eq!(decode(shot(&pixels, size), (0, 0), CELL), Err(StampError::Unreadable(Place::Top)));
        }
    }

    #[test]
    fn a_picture_of_two_frames_is_torn() {
        let size = Size::new(200, 200);
        let mut pixels = picture(Pattern::Bars, size, Format::Xrgb8888).shown(1);
        let other = picture(Pattern::Bars, size, Format::Xrgb8888).shown(2);
        pixels[100 * 200..].copy_from_slice(&other[100 * 200..]);
        let error = decode(shot(&pixels, size), (0, 0), CELL).unwrap_err();
        assert_eq!(error.to_string(), "torn: frame 1 at the top, frame 2 at the bottom");
    }

    #[test]
    fn a_cut_picture_says_what_is_missing() {
        let size = Size::new(200, 200);
        let pixels = picture(Pattern::Bars, size, Format::Xrgb8888).shown(1);
        let cut = Screenshot { pixels: &pixels, stride: 200, size: Size::new(200, 180) };
        assert_eq!(decode(cut, (0, 0), CELL), Err(StampError::Outside(Place::Bottom)));
        assert_eq!(decode(cut, (100, 0), CELL), Err(StampError::Outside(Place::Top)));
        assert_eq!(find(shot(&pixels[200 * 64..200 * 130], Size::new(200, 66))), Err(StampError::NotFound));
    }

    #[test]
    fn small_pictures_have_none() {
        let size = Size::new(127, 300);
        let stamped = picture(Pattern::Checker, size, Format::Xrgb8888);
        let plain = Picture { stamp: false, ..stamped };
        assert!(!stamped.is_stamped());
        assert_eq!(stamped.shown(3), plain.shown(3));
    }
}
