//! A picture is a pattern with its stamps and its transparency, in some format: everything that
//! decides the bytes of a frame. What the client draws and what a test expects both come from here.

use std::ops::Range;

use crate::config::Size;
use crate::format::{Format, Pixel};
use crate::pattern::Pattern;
use crate::stamp::{self, Stamp};
use crate::yuv;

/// What a surface shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// The pattern.
    pub pattern: Pattern,
    /// Its size in buffer pixels.
    pub size: Size,
    /// The format it is drawn in.
    pub format: Format,
    /// Whether the right half fades out; without effect if the format has no alpha.
    pub alpha: bool,
    /// Whether it carries stamps; without effect if they do not fit (see [`stamp::fits`]).
    pub stamp: bool,
}

impl Picture {
    /// Bytes of one row (of the first plane) without padding.
    pub fn row_bytes(&self) -> u32 {
        self.size.width * self.format.bytes_per_pixel()
    }

    /// Fills `out` with the pixels of row `y` of frame `frame`, from column `x` on.
    pub fn span(&self, frame: u32, x: u32, y: u32, out: &mut [Pixel]) {
        let Picture { pattern, size, format, .. } = *self;
        pattern.span(frame, x, y, size, out);
        if self.alpha && format.has_alpha() {
            let faded = u64::from(y.min(size.height)) * 0xffff / u64::from(size.height.max(1));
            let alpha = u64::from(format.alpha_step(0xffff - faded as u16));
            let opaque = (size.width / 2).saturating_sub(x) as usize;
            for pixel in out.iter_mut().skip(opaque) {
                let channel = |at: u32| ((*pixel >> at & 0xffff) * alpha / 0xffff) << at;
                *pixel = alpha << 48 | channel(32) | channel(16) | channel(0);
            }
        }
        if self.stamp {
            Stamp { frame, size, pattern: pattern.number() }.draw(x, y, out);
        }
    }

    /// The whole frame as a compositor that composes in 8 bits sees it: premultiplied `0xAARRGGBB`,
    /// row by row without padding. For a format of video: BT.601 with limited
    /// range, the colour of 2x2 pixels their mean, and each channel rounded.
    pub fn shown(&self, frame: u32) -> Vec<u32> {
        let width = self.size.width as usize;
        let mut shown = Vec::with_capacity(width * self.size.height as usize);
        if self.format.is_yuv() {
            yuv::shown(self, frame, &mut shown);
            return shown;
        }
        let mut row = vec![0; width];
        for y in 0..self.size.height {
            self.span(frame, 0, y, &mut row);
            shown.extend(row.iter().map(|p| self.format.shown(*p)));
        }
        shown
    }

    /// The whole frame over an opaque black ground, as in a screenshot: `0xFFRRGGBB`. Premultiplied
    /// colour over black is that colour.
    pub fn shown_on_black(&self, frame: u32) -> Vec<u32> {
        let mut shown = self.shown(frame);
        shown.iter_mut().for_each(|p| *p |= 0xff00_0000);
        shown
    }

    /// Whether the picture carries stamps.
    pub fn is_stamped(&self) -> bool {
        self.stamp && stamp::fits(self.size)
    }
}

/// Where in a buffer some bytes belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The plane, from 0.
    pub plane: usize,
    /// Its row.
    pub row: u32,
    /// How many bytes of that row are before.
    pub left: u32,
}

/// Draws frames of a [`Picture`] row by row, through private memory allocated once.
#[derive(Debug)]
pub struct Painter {
    picture: Picture,
    pixels: Vec<Pixel>,
    bytes: Vec<u8>,
    clear_unused: bool,
}

impl Painter {
    /// A painter for `picture`; `clear_unused` as for [`Format::encode`].
    pub fn new(picture: Picture, clear_unused: bool) -> Painter {
        // Colour of a format of video comes from two rows of pixels.
        let rows = if picture.format.is_yuv() { 2 } else { 1 };
        let pixels = vec![0; rows * picture.size.width as usize];
        let bytes = vec![0; picture.row_bytes() as usize + 4];
        Painter { picture, pixels, bytes, clear_unused }
    }

    /// What it paints.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Paints the given columns and rows of a frame: `sink` gets, for each row, its place and the
    /// bytes of those columns in the picture's format. In a format of video the area is made larger to even edges.
    ///
    /// # Errors
    ///
    /// The first error of `sink`.
    pub fn paint<E>(
        &mut self,
        frame: u32,
        columns: Range<u32>,
        rows: Range<u32>,
        mut sink: impl FnMut(Place, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Size { width, height } = self.picture.size;
        let format = self.picture.format;
        if format.is_yuv() {
            let even = |range: Range<u32>, end: u32| {
                (range.start.min(end) & !1)..range.end.min(end).next_multiple_of(2).min(end)
            };
            let (columns, rows) = (even(columns, width), even(rows, height));
            return yuv::paint(
                &self.picture,
                frame,
                columns,
                rows,
                &mut self.pixels,
                &mut self.bytes,
                &mut sink,
            );
        }
        let columns = columns.start.min(width)..columns.end.min(width);
        let pixels = &mut self.pixels[..columns.len()];
        let bytes = &mut self.bytes[..columns.len() * format.bytes_per_pixel() as usize];
        let left = columns.start * format.bytes_per_pixel();
        for y in rows.start..rows.end.min(height) {
            self.picture.span(frame, columns.start, y, pixels);
            format.encode(pixels, bytes, self.clear_unused);
            sink(Place { plane: 0, row: y, left }, bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(format: Format, alpha: bool) -> Picture {
        Picture { pattern: Pattern::Plasma, size: Size::new(150, 200), format, alpha, stamp: true }
    }

    #[test]
    fn painted_bytes_are_the_shown_picture() {
        let picture = picture(Format::Argb8888, true);
        let mut bytes = Vec::new();
        let painted = Painter::new(picture, false).paint(7, 0..u32::MAX, 0..u32::MAX, |place, row| {
            assert_eq!(bytes.len(), 150 * 4 * place.row as usize);
            bytes.extend_from_slice(row);
            Ok::<(), ()>(())
        });
        assert_eq!(painted, Ok(()));
        let words: Vec<u32> = bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        assert_eq!(words, picture.shown(7));
    }

    #[test]
    fn a_part_is_a_part_of_the_whole() {
        let picture = picture(Format::Rgb565, false);
        let mut whole = Vec::new();
        let mut painter = Painter::new(picture, false);
        let _: Result<(), ()> = painter.paint(3, 0..150, 90..91, |_, row| {
            whole.extend_from_slice(row);
            Ok(())
        });
        let _: Result<(), ()> = painter.paint(3, 20..60, 90..91, |_, row| {
            assert_eq!(row, &whole[40..120]);
            Ok(())
        });
    }

    #[test]
    fn the_right_half_fades_and_stays_premultiplied() {
        for format in [Format::Argb8888, Format::Bgra8888, Format::Abgr2101010] {
            let shown = picture(format, true).shown(0);
            let at = |x: usize, y: usize| shown[y * 150 + x];
            assert!(shown.iter().all(|p| [p >> 16, p >> 8, *p].iter().all(|c| c & 0xff <= p >> 24)));
            assert_eq!(at(74, 100) >> 24, 0xff);
            assert!(at(140, 100) >> 24 < 0xff);
        }
        assert!(picture(Format::Xrgb8888, true).shown(0).iter().all(|p| p >> 24 == 0xff));
    }
}
