//! Luma and chroma to red, green and blue.
//!
//! Nothing in linux-dmabuf says which matrix and range a client means. As in Mesa and weston, whose default it is, all
//! formats are taken for BT.601 with the narrow range (luma 16 to 235, chroma 16 to 240, and four times that with 10
//! bits). A chroma sample counts for all pixels that it was made of.

use super::fourcc::Yuv;
use crate::geometry::Size;

/// A plane: its bytes, and how many there are from one row to the next.
pub(super) type Plane<'a> = (&'a [u8], usize);

/// Bits behind the point of the fixed-point numbers here.
const POINT: u32 = 16;
const ONE: f64 = (1 << POINT) as f64;

/// The coefficients for samples of `bits` bits: of luma, of V for red, of U and V for green, of U for blue.
#[derive(Clone, Copy)]
struct Matrix {
    luma: i64,
    red: i64,
    green: (i64, i64),
    blue: i64,
    black: i64,
    middle: i64,
}

const fn matrix(bits: u32) -> Matrix {
    // BT.601: these shares of red and blue make luma; green is the rest.
    let (kr, kb) = (0.299, 0.114);
    let kg = 1.0 - kr - kb;
    let unit = (1 << (bits - 8)) as f64;
    let (luma, chroma) = (255.0 / (219.0 * unit) * ONE, 255.0 / (224.0 * unit) * ONE);
    Matrix {
        luma: round(luma),
        red: round(2.0 * (1.0 - kr) * chroma),
        green: (round(2.0 * (1.0 - kb) * kb / kg * chroma), round(2.0 * (1.0 - kr) * kr / kg * chroma)),
        blue: round(2.0 * (1.0 - kb) * chroma),
        black: 16 << (bits - 8),
        middle: 128 << (bits - 8),
    }
}

const fn round(v: f64) -> i64 {
    (v + 0.5) as i64
}

const EIGHT: Matrix = matrix(8);
const TEN: Matrix = matrix(10);

impl Matrix {
    /// What `u` and `v` add to red, green and blue, rounding included.
    fn chroma(self, u: u16, v: u16) -> (i64, i64, i64) {
        let (u, v) = (i64::from(u) - self.middle, i64::from(v) - self.middle);
        let half = 1 << (POINT - 1);
        (self.red * v + half, half - self.green.0 * u - self.green.1 * v, self.blue * u + half)
    }

    /// A pixel: XRGB8888.
    fn pixel(self, y: u16, (r, g, b): (i64, i64, i64)) -> u32 {
        let luma = (i64::from(y) - self.black) * self.luma;
        let channel = |v: i64| ((luma + v) >> POINT).clamp(0, 255) as u32;
        0xff00_0000 | channel(r) << 16 | channel(g) << 8 | channel(b)
    }
}

/// Converts a picture of `size` pixels; `out` has as many times 4 bytes, and becomes XRGB8888.
///
/// Every plane is as long as its shape says.
pub(super) fn convert(yuv: Yuv, size: Size, planes: &[Plane<'_>], out: &mut [u8]) {
    let width = size.w as usize;
    for (y, row) in out.chunks_exact_mut(width * 4).enumerate() {
        match (yuv, planes) {
            (Yuv::Nv12, [luma, chroma]) => {
                let (luma, chroma) = (line(luma, y), line(chroma, y / 2));
                let pairs = luma.chunks(2).zip(chroma.chunks_exact(2));
                write(EIGHT, row, pairs.map(|(y, c)| (bytes(y), (c[0].into(), c[1].into()))));
            }
            (Yuv::P010, [luma, chroma]) => {
                let (luma, chroma) = (line(luma, y), line(chroma, y / 2));
                let pairs = luma.chunks(4).zip(chroma.chunks_exact(4));
                write(TEN, row, pairs.map(|(y, c)| (words(y), (word(&c[..2]), word(&c[2..])))));
            }
            (Yuv::Yuv420, [luma, u, v]) => {
                let (luma, u, v) = (line(luma, y), line(u, y / 2), line(v, y / 2));
                let pairs = luma.chunks(2).zip(u.iter().zip(v));
                write(EIGHT, row, pairs.map(|(y, (u, v))| (bytes(y), ((*u).into(), (*v).into()))));
            }
            (Yuv::Yuyv, [packed]) => {
                let pairs = line(packed, y).chunks_exact(4);
                let both = |p: &[u8]| ((p[0].into(), p[2].into()), (p[1].into(), p[3].into()));
                write(EIGHT, row, pairs.map(both));
            }
            _ => debug_assert!(false, "{yuv:?} has other planes"),
        }
    }
}

/// The two lumas, and U and V, of two pixels that lie side by side.
type Pair = ((u16, u16), (u16, u16));

fn write(matrix: Matrix, row: &mut [u8], pairs: impl Iterator<Item = Pair>) {
    for (out, ((first, second), (u, v))) in row.chunks_mut(8).zip(pairs) {
        let chroma = matrix.chroma(u, v);
        for (out, y) in out.chunks_exact_mut(4).zip([first, second]) {
            out.copy_from_slice(&matrix.pixel(y, chroma).to_le_bytes());
        }
    }
}

/// Row `y` of a plane, and what follows it up to the next.
fn line<'a>((data, stride): &Plane<'a>, y: usize) -> &'a [u8] {
    let row = data.get(y * stride..).unwrap_or_default();
    &row[..row.len().min(*stride)]
}

/// One or two bytes; the last pixel of an odd row has no neighbour.
fn bytes(pair: &[u8]) -> (u16, u16) {
    (pair[0].into(), pair.last().copied().unwrap_or_default().into())
}

/// The upper 10 of 16 bits.
fn word(le: &[u8]) -> u16 {
    u16::from_le_bytes([le[0], le.get(1).copied().unwrap_or_default()]) >> 6
}

fn words(pair: &[u8]) -> (u16, u16) {
    let first = word(pair);
    (first, pair.get(2..).filter(|rest| rest.len() == 2).map_or(first, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BT.601, narrow, as the recommendation writes it, with real numbers.
    fn reference(y: f64, u: f64, v: f64) -> [f64; 3] {
        let (y, pb, pr) = ((y - 16.0) / 219.0, (u - 128.0) / 224.0, (v - 128.0) / 224.0);
        let (r, b) = (y + 1.402 * pr, y + 1.772 * pb);
        let g = (y - 0.299 * r - 0.114 * b) / 0.587;
        [r, g, b].map(|c| (c * 255.0).clamp(0.0, 255.0))
    }

    fn check(yuv: Yuv, planes: &[Plane<'_>], expected: [f64; 3], what: (u16, u16, u16)) {
        let mut out = [0; 16];
        convert(yuv, Size::new(2, 2), planes, &mut out);
        for px in out.chunks(4) {
            for (channel, expected) in [px[2], px[1], px[0]].into_iter().zip(expected) {
                let off = (f64::from(channel) - expected).abs();
                assert!(off <= 0.51, "{yuv:?} {what:?}: {px:?} for {expected}");
            }
            assert_eq!(px[3], 0xff);
        }
    }

    #[test]
    fn eight_bits_are_as_the_reference_for_every_eighth_value() {
        for y in (0..=255_u8).step_by(8) {
            for u in (0..=255_u8).step_by(8) {
                for v in (0..=255_u8).step_by(8) {
                    let expected = reference(y.into(), u.into(), v.into());
                    let what = (y.into(), u.into(), v.into());
                    check(Yuv::Nv12, &[(&[y; 4], 2), (&[u, v], 2)], expected, what);
                    check(Yuv::Yuv420, &[(&[y; 4], 2), (&[u], 1), (&[v], 1)], expected, what);
                    check(Yuv::Yuyv, &[(&[y, u, y, v, y, u, y, v], 4)], expected, what);
                }
            }
        }
    }

    #[test]
    fn ten_bits_are_as_the_reference() {
        for y in (0..1024_u16).step_by(31) {
            for u in (0..1024_u16).step_by(31) {
                for v in (0..1024_u16).step_by(31) {
                    let quarter = |v: u16| f64::from(v) / 4.0;
                    let expected = reference(quarter(y), quarter(u), quarter(v));
                    let le = |v: u16| (v << 6).to_le_bytes();
                    let luma = [le(y); 4].concat();
                    let chroma = [le(u), le(v)].concat();
                    check(Yuv::P010, &[(&luma, 4), (&chroma, 4)], expected, (y, u, v));
                }
            }
        }
    }

    #[test]
    fn what_everybody_knows() {
        let known = |y, u, v| {
            let mut out = [0; 16];
            convert(Yuv::Nv12, Size::new(2, 2), &[(&[y; 4], 2), (&[u, v], 2)], &mut out);
            u32::from_le_bytes([out[0], out[1], out[2], 0])
        };
        assert_eq!(known(16, 128, 128), 0x000000);
        assert_eq!(known(235, 128, 128), 0xffffff);
        assert_eq!(known(81, 90, 240), 0xfe0000);
        assert_eq!(known(255, 128, 128), 0xffffff);
    }

    #[test]
    fn odd_sizes_and_padding() {
        let size = Size::new(3, 3);
        let luma = [16, 235, 16, 9, 235, 16, 235, 9, 16, 235, 16];
        let gray = [128; 8];
        let mut out = [0; 36];
        convert(Yuv::Nv12, size, &[(&luma, 4), (&gray, 4)], &mut out);
        let lit: Vec<_> = out.chunks(4).map(|p| p[0] == 255).collect();
        assert_eq!(lit, [false, true, false, true, false, true, false, true, false]);
        let mut packed = out;
        let rows = [16, 128, 235, 128, 16, 128, 77, 128, 0, 0];
        convert(Yuv::Yuyv, size, &[(&rows.repeat(3), 10)], &mut packed);
        let lit: Vec<_> = packed.chunks(4).map(|p| p[0] == 255).collect();
        assert_eq!(lit, [false, true, false].repeat(3));
    }
}
