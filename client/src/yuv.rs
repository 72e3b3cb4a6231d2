//! Formats of video: brightness (Y) for every pixel, and colour (Cb, Cr) for every four.
//!
//! | format | planes |
//! |---|---|
//! | NV12 | Y; Cb and Cr in turn, a pair for every 2x2 pixels; 8 bits each |
//! | P010 | the same with 10 bits, at the top of little-endian words of 16 |
//! | YUV420 | Y; Cb; Cr; 8 bits each |
//!
//! The matrix is that of BT.601 and the range is limited (Y from 16 to 235, colour from 16 to 240, in 8 bits): no protocol in
//! use here says which, and that is what compositors take. The colour of a block is the mean of its pixels (of those within
//! the picture, where an edge is odd); a compositor is expected to show it on all four.

use std::ops::Range;

use crate::config::Size;
use crate::format::{Format, Pixel};
use crate::picture::{Picture, Place};

/// Red, green and blue in the brightness, as in BT.601.
const KR: f64 = 0.299;
const KB: f64 = 0.114;
const KG: f64 = 1.0 - KR - KB;

/// The bits of one sample.
const fn depth(format: Format) -> u32 {
    if matches!(format, Format::P010) { 10 } else { 8 }
}

/// From sums of 16-bit channels to samples, in fixed point with 32 bits behind the point: the same on every machine.
struct Matrix {
    y: [i64; 3],
    cb: [i64; 3],
    cr: [i64; 3],
    /// 1 more than the bits of a sample beyond 8 shift it.
    scale: i64,
}

impl Matrix {
    const fn new(depth: u32) -> Matrix {
        let scale = 1i64 << (depth - 8);
        const fn fixed(k: f64, scale: i64) -> i64 {
            let exact = k / 65535.0 * scale as f64 * (1i64 << 32) as f64;
            (if exact < 0.0 { exact - 0.5 } else { exact + 0.5 }) as i64
        }
        const fn row(r: f64, g: f64, b: f64, swing: f64, scale: i64) -> [i64; 3] {
            [fixed(r * swing, scale), fixed(g * swing, scale), fixed(b * swing, scale)]
        }
        let (b, r) = (2.0 * (1.0 - KB), 2.0 * (1.0 - KR));
        Matrix {
            y: row(KR, KG, KB, 219.0, scale),
            cb: row(-KR / b, -KG / b, (1.0 - KB) / b, 224.0, scale),
            cr: row((1.0 - KR) / r, -KG / r, -KB / r, 224.0, scale),
            scale,
        }
    }

    /// The sample of `count` pixels with these sums of channels.
    fn sample(&self, row: &[i64; 3], zero: i64, sums: [i64; 3], count: i64) -> u16 {
        let sum: i64 = row.iter().zip(sums).map(|(k, channel)| k * channel).sum();
        let half = count << 31;
        // Within 16 to 240 times the scale, whatever the channels are.
        ((sum + half).div_euclid(count << 32) + zero * self.scale) as u16
    }

    fn luma(&self, pixel: Pixel) -> u16 {
        self.sample(&self.y, 16, channels(pixel), 1)
    }

    /// Cb and Cr of a block.
    fn chroma(&self, block: impl Iterator<Item = Pixel>) -> (u16, u16) {
        let (mut sums, mut count) = ([0; 3], 0);
        for pixel in block {
            for (sum, channel) in sums.iter_mut().zip(channels(pixel)) {
                *sum += channel;
            }
            count += 1;
        }
        (self.sample(&self.cb, 128, sums, count.max(1)), self.sample(&self.cr, 128, sums, count.max(1)))
    }
}

const BITS8: Matrix = Matrix::new(8);
const BITS10: Matrix = Matrix::new(10);

fn matrix(format: Format) -> &'static Matrix {
    if depth(format) == 10 { &BITS10 } else { &BITS8 }
}

fn channels(pixel: Pixel) -> [i64; 3] {
    [32, 16, 0].map(|at| (pixel >> at & 0xffff) as i64)
}

/// The blocks of one or two rows of pixels.
fn blocks<'a>(
    top: &'a [Pixel],
    bottom: &'a [Pixel],
) -> impl Iterator<Item = impl Iterator<Item = Pixel> + 'a> + 'a {
    let below = bottom.chunks(2).map(Some).chain(std::iter::repeat(None));
    top.chunks(2).zip(below).map(|(a, b)| a.iter().chain(b.unwrap_or(&[])).copied())
}

/// Writes a sample, and says where the next one goes.
fn put(out: &mut [u8], sample: u16, depth: u32) -> &mut [u8] {
    let bytes = if depth == 10 { (sample << 6).to_le_bytes() } else { [sample as u8, 0] };
    let count = if depth == 10 { 2 } else { 1 };
    match out.split_at_mut_checked(count) {
        Some((head, rest)) => {
            head.copy_from_slice(&bytes[..count]);
            rest
        }
        None => &mut [],
    }
}

/// [`crate::Painter::paint`] for these formats. `columns` and `rows` begin at even numbers; `pixels` has room for two rows.
pub(crate) fn paint<E>(
    picture: &Picture,
    frame: u32,
    columns: Range<u32>,
    rows: Range<u32>,
    pixels: &mut [Pixel],
    bytes: &mut [u8],
    sink: &mut impl FnMut(Place, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let format = picture.format;
    let (depth, matrix) = (depth(format), matrix(format));
    let width = columns.len();
    let wide = columns.end - columns.start.min(columns.end);
    let (top, bottom) = pixels.split_at_mut(pixels.len() / 2);
    let (top, bottom) = (&mut top[..width], &mut bottom[..width]);
    let at = |plane: usize, row: u32| Place { plane, row, left: format.row_bytes(plane, columns.start) };
    for y in rows.clone().step_by(2) {
        let second = y + 1 < rows.end;
        picture.span(frame, columns.start, y, top);
        if second {
            picture.span(frame, columns.start, y + 1, bottom);
        }
        let bottom: &[Pixel] = if second { bottom } else { &[] };
        for (row, line) in [(y, &*top), (y + 1, bottom)] {
            if line.is_empty() {
                continue;
            }
            let mut out = &mut bytes[..format.row_bytes(0, wide) as usize];
            for pixel in line {
                out = put(out, matrix.luma(*pixel), depth);
            }
            sink(at(0, row), &bytes[..format.row_bytes(0, wide) as usize])?;
        }
        let count = format.row_bytes(1, wide) as usize;
        match format {
            Format::Yuv420 => {
                for plane in [1, 2] {
                    let mut out = &mut bytes[..count];
                    for block in blocks(top, bottom) {
                        let (cb, cr) = matrix.chroma(block);
                        out = put(out, if plane == 1 { cb } else { cr }, depth);
                    }
                    sink(at(plane, y / 2), &bytes[..count])?;
                }
            }
            _ => {
                let mut out = &mut bytes[..count];
                for block in blocks(top, bottom) {
                    let (cb, cr) = matrix.chroma(block);
                    out = put(put(out, cb, depth), cr, depth);
                }
                sink(at(1, y / 2), &bytes[..count])?;
            }
        }
    }
    Ok(())
}

/// What a compositor should make of one pixel of these samples: opaque `0xFFRRGGBB`, rounded to the nearest.
fn rgb(depth: u32, y: u16, cb: u16, cr: u16) -> u32 {
    let scale = f64::from(1u32 << (depth - 8));
    let y = (f64::from(y) / scale - 16.0) / 219.0;
    let [cb, cr] = [cb, cr].map(|c| (f64::from(c) / scale - 128.0) / 224.0);
    let red = y + 2.0 * (1.0 - KR) * cr;
    let blue = y + 2.0 * (1.0 - KB) * cb;
    let green = (y - KR * red - KB * blue) / KG;
    let [r, g, b] = [red, green, blue].map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u32);
    0xff00_0000 | r << 16 | g << 8 | b
}

/// [`Picture::shown`] for these formats.
pub(crate) fn shown(picture: &Picture, frame: u32, out: &mut Vec<u32>) {
    let (depth, matrix) = (depth(picture.format), matrix(picture.format));
    let Size { width, height } = picture.size;
    let mut rows = [vec![0; width as usize], vec![0; width as usize]];
    for y in (0..height).step_by(2) {
        let count = (height - y).min(2) as usize;
        for (row, y) in rows[..count].iter_mut().zip(y..) {
            picture.span(frame, 0, y, row);
        }
        let bottom: &[Pixel] = if count == 2 { &rows[1] } else { &[] };
        let colours: Vec<(u16, u16)> = blocks(&rows[0], bottom).map(|block| matrix.chroma(block)).collect();
        for row in &rows[..count] {
            out.extend(row.iter().enumerate().map(|(x, pixel)| {
                let (cb, cr) = colours[x / 2];
                rgb(depth, matrix.luma(*pixel), cb, cr)
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::opaque8;
    use crate::pattern::Pattern;
    use crate::picture::Painter;

    fn samples(format: Format, pixel: Pixel) -> (u16, u16, u16) {
        let (cb, cr) = matrix(format).chroma([pixel; 4].into_iter());
        (matrix(format).luma(pixel), cb, cr)
    }

    #[test]
    fn the_colours_of_the_standard_have_its_samples() {
        // Rec. ITU-R BT.601-7, the bars of 100 % (Y, Cb, Cr in 8 bits).
        for (r, g, b, expected) in [
            (255, 255, 255, (235, 128, 128)),
            (255, 255, 0, (210, 16, 146)),
            (0, 255, 255, (170, 166, 16)),
            (0, 255, 0, (145, 54, 34)),
            (255, 0, 255, (106, 202, 222)),
            (255, 0, 0, (81, 90, 240)),
            (0, 0, 255, (41, 240, 110)),
            (0, 0, 0, (16, 128, 128)),
        ] {
            assert_eq!(samples(Format::Nv12, opaque8(r, g, b)), expected, "{r} {g} {b}");
        }
        assert_eq!(samples(Format::P010, opaque8(255, 255, 255)), (940, 512, 512));
        assert_eq!(samples(Format::P010, opaque8(0, 0, 255)), (164, 960, 439));
    }

    #[test]
    fn what_is_shown_is_the_colour_that_was_drawn_as_near_as_samples_are() {
        for (format, most) in [(Format::Nv12, 2), (Format::Yuv420, 2), (Format::P010, 1)] {
            for colour in (0..1 << 24).step_by(4099) {
                let [b, g, r, _] = u32::to_le_bytes(colour);
                let (y, cb, cr) = samples(format, opaque8(r, g, b));
                let shown = rgb(depth(format), y, cb, cr).to_le_bytes();
                for (shown, drawn) in shown.iter().zip([b, g, r]) {
                    assert!(shown.abs_diff(drawn) <= most, "{format} {colour:06x}: {shown:?}");
                }
            }
        }
    }

    #[test]
    fn grey_stays_grey_and_stamps_stay_black_and_white() {
        for format in [Format::Nv12, Format::P010, Format::Yuv420] {
            let picture = Picture {
                pattern: Pattern::Checker,
                size: Size::new(131, 129),
                format,
                alpha: true,
                stamp: true,
            };
            let shown = picture.shown(3);
            assert_eq!(shown.len(), 131 * 129);
            let plain = Picture { format: Format::Xrgb8888, ..picture }.shown(3);
            for y in 0..64 {
                assert_eq!(shown[y * 131..][..128], plain[y * 131..][..128], "{format} row {y}");
            }
        }
    }

    #[test]
    fn planes_have_what_is_shown() {
        for format in [Format::Nv12, Format::P010, Format::Yuv420] {
            let size = Size::new(7, 5);
            let picture = Picture { pattern: Pattern::Plasma, size, format, alpha: false, stamp: false };
            let mut planes: Vec<Vec<u8>> = (0..format.planes())
                .map(|p| vec![0; (format.row_bytes(p, 7) * format.rows(p, 5)) as usize])
                .collect();
            let mut painter = Painter::new(picture, false);
            // In two parts, one with odd edges.
            for (columns, rows) in [(0..7, 0..5), (3..5, 1..2), (5..9, 3..9)] {
                let painted = painter.paint(1, columns, rows, |place, bytes| {
                    let stride = format.row_bytes(place.plane, 7);
                    let start = (place.row * stride + place.left) as usize;
                    planes[place.plane][start..start + bytes.len()].copy_from_slice(bytes);
                    Ok::<(), ()>(())
                });
                assert_eq!(painted, Ok(()));
            }
            let depth = depth(format);
            let sample = |plane: usize, index: usize| match depth {
                10 => u16::from_le_bytes([planes[plane][2 * index], planes[plane][2 * index + 1]]) >> 6,
                _ => planes[plane][index].into(),
            };
            let decoded: Vec<u32> = (0..35)
                .map(|at| {
                    let block = (at / 7 / 2) * 4 + at % 7 / 2;
                    let (cb, cr) = match format {
                        Format::Yuv420 => (sample(1, block), sample(2, block)),
                        _ => (sample(1, 2 * block), sample(1, 2 * block + 1)),
                    };
                    rgb(depth, sample(0, at), cb, cr)
                })
                .collect();
            assert_eq!(decoded, picture.shown(1), "{format}");
        }
    }
}
