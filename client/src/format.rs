//! Pixel formats: from the patterns' own wide pixels to the bytes of a `wl_shm` format.
//!
//! Patterns compute every pixel with 16 bits per channel, so that one picture serves 5-, 8- and
//! 10-bit formats. [`Format::encode`] narrows it to the bytes that go into shared memory, and
//! [`Format::shown`] says what a compositor that composes in 8 bits must make of it, which is what
//! tests compare screenshots with.

use std::fmt;
use std::str::FromStr;

use wayland_client::protocol::wl_shm;

use crate::config::ConfigError;

/// One pixel with 16 bits per channel, premultiplied by its alpha: `0xAAAA_RRRR_GGGG_BBBB`.
pub type Pixel = u64;

/// An opaque pixel from its channels.
#[inline]
pub const fn opaque(r: u16, g: u16, b: u16) -> Pixel {
    0xffff << 48 | (r as u64) << 32 | (g as u64) << 16 | b as u64
}

/// An opaque pixel from channels of 8 bits, each scaled to 16 so that narrowing gives it back.
#[inline]
pub const fn opaque8(r: u8, g: u8, b: u8) -> Pixel {
    opaque(r as u16 * 257, g as u16 * 257, b as u16 * 257)
}

/// A pixel format that the client can draw in: those that pixman reads, and three of video, for dma-bufs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of wl_shm.format
pub enum Format {
    Argb8888,
    Xrgb8888,
    Abgr8888,
    Xbgr8888,
    Rgba8888,
    Rgbx8888,
    Bgra8888,
    Bgrx8888,
    Rgb565,
    Bgr565,
    Argb2101010,
    Xrgb2101010,
    Abgr2101010,
    Xbgr2101010,
    Nv12,
    P010,
    Yuv420,
}

/// Where the channels of a format are in its little-endian word: (shift, bits).
struct Layout {
    bytes: u32,
    a: Option<(u32, u32)>,
    r: (u32, u32),
    g: (u32, u32),
    b: (u32, u32),
}

use Format::*;

impl Format {
    /// Every format.
    pub const ALL: [Format; 17] = [
        Argb8888,
        Xrgb8888,
        Abgr8888,
        Xbgr8888,
        Rgba8888,
        Rgbx8888,
        Bgra8888,
        Bgrx8888,
        Rgb565,
        Bgr565,
        Argb2101010,
        Xrgb2101010,
        Abgr2101010,
        Xbgr2101010,
        Nv12,
        P010,
        Yuv420,
    ];

    /// Those with red, green and blue in one word: the ones for `wl_shm`.
    pub const PACKED: [Format; 14] = [
        Argb8888,
        Xrgb8888,
        Abgr8888,
        Xbgr8888,
        Rgba8888,
        Rgbx8888,
        Bgra8888,
        Bgrx8888,
        Rgb565,
        Bgr565,
        Argb2101010,
        Xrgb2101010,
        Abgr2101010,
        Xbgr2101010,
    ];

    /// The name in the protocol, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Argb8888 => "argb8888",
            Xrgb8888 => "xrgb8888",
            Abgr8888 => "abgr8888",
            Xbgr8888 => "xbgr8888",
            Rgba8888 => "rgba8888",
            Rgbx8888 => "rgbx8888",
            Bgra8888 => "bgra8888",
            Bgrx8888 => "bgrx8888",
            Rgb565 => "rgb565",
            Bgr565 => "bgr565",
            Argb2101010 => "argb2101010",
            Xrgb2101010 => "xrgb2101010",
            Abgr2101010 => "abgr2101010",
            Xbgr2101010 => "xbgr2101010",
            Nv12 => "nv12",
            P010 => "p010",
            Yuv420 => "yuv420",
        }
    }

    /// The four-character code of the Linux kernel (`drm_fourcc.h`).
    pub const fn fourcc(self) -> &'static str {
        match self {
            Argb8888 => "AR24",
            Xrgb8888 => "XR24",
            Abgr8888 => "AB24",
            Xbgr8888 => "XB24",
            Rgba8888 => "RA24",
            Rgbx8888 => "RX24",
            Bgra8888 => "BA24",
            Bgrx8888 => "BX24",
            Rgb565 => "RG16",
            Bgr565 => "BG16",
            Argb2101010 => "AR30",
            Xrgb2101010 => "XR30",
            Abgr2101010 => "AB30",
            Xbgr2101010 => "XB30",
            Nv12 => "NV12",
            P010 => "P010",
            Yuv420 => "YU12",
        }
    }

    /// The same as the number that `zwp_linux_dmabuf_v1` and DRM have for it.
    pub fn drm(self) -> u32 {
        self.fourcc().bytes().rev().fold(0, |code, byte| code << 8 | u32::from(byte))
    }

    /// The value in the protocol.
    pub const fn wl_shm(self) -> wl_shm::Format {
        match self {
            Argb8888 => wl_shm::Format::Argb8888,
            Xrgb8888 => wl_shm::Format::Xrgb8888,
            Abgr8888 => wl_shm::Format::Abgr8888,
            Xbgr8888 => wl_shm::Format::Xbgr8888,
            Rgba8888 => wl_shm::Format::Rgba8888,
            Rgbx8888 => wl_shm::Format::Rgbx8888,
            Bgra8888 => wl_shm::Format::Bgra8888,
            Bgrx8888 => wl_shm::Format::Bgrx8888,
            Rgb565 => wl_shm::Format::Rgb565,
            Bgr565 => wl_shm::Format::Bgr565,
            Argb2101010 => wl_shm::Format::Argb2101010,
            Xrgb2101010 => wl_shm::Format::Xrgb2101010,
            Abgr2101010 => wl_shm::Format::Abgr2101010,
            Xbgr2101010 => wl_shm::Format::Xbgr2101010,
            Nv12 => wl_shm::Format::Nv12,
            P010 => wl_shm::Format::P010,
            Yuv420 => wl_shm::Format::Yuv420,
        }
    }

    const fn layout(self) -> Layout {
        const fn l(bytes: u32, a: Option<(u32, u32)>, r: (u32, u32), g: (u32, u32), b: (u32, u32)) -> Layout {
            Layout { bytes, a, r, g, b }
        }
        match self {
            Argb8888 => l(4, Some((24, 8)), (16, 8), (8, 8), (0, 8)),
            Xrgb8888 => l(4, None, (16, 8), (8, 8), (0, 8)),
            Abgr8888 => l(4, Some((24, 8)), (0, 8), (8, 8), (16, 8)),
            Xbgr8888 => l(4, None, (0, 8), (8, 8), (16, 8)),
            Rgba8888 => l(4, Some((0, 8)), (24, 8), (16, 8), (8, 8)),
            Rgbx8888 => l(4, None, (24, 8), (16, 8), (8, 8)),
            Bgra8888 => l(4, Some((0, 8)), (8, 8), (16, 8), (24, 8)),
            Bgrx8888 => l(4, None, (8, 8), (16, 8), (24, 8)),
            Rgb565 => l(2, None, (11, 5), (5, 6), (0, 5)),
            Bgr565 => l(2, None, (0, 5), (5, 6), (11, 5)),
            Argb2101010 => l(4, Some((30, 2)), (20, 10), (10, 10), (0, 10)),
            Xrgb2101010 => l(4, None, (20, 10), (10, 10), (0, 10)),
            Abgr2101010 => l(4, Some((30, 2)), (0, 10), (10, 10), (20, 10)),
            Xbgr2101010 => l(4, None, (0, 10), (10, 10), (20, 10)),
            // What a pixel is worth once it is shown; where its parts lie is said in `crate::yuv`.
            Nv12 | Yuv420 => l(1, None, (16, 8), (8, 8), (0, 8)),
            P010 => l(2, None, (16, 8), (8, 8), (0, 8)),
        }
    }

    /// Bytes per pixel: 2 or 4; of a format of video, 1 or 2, those of the first plane.
    pub const fn bytes_per_pixel(self) -> u32 {
        self.layout().bytes
    }

    /// Whether it is a format of video: brightness in one plane, colour for every four pixels in others (4:2:0).
    pub const fn is_yuv(self) -> bool {
        matches!(self, Nv12 | P010 | Yuv420)
    }

    /// How many planes it has.
    pub const fn planes(self) -> usize {
        match self {
            Nv12 | P010 => 2,
            Yuv420 => 3,
            _ => 1,
        }
    }

    /// Bytes of one row of a plane (from 0) of a picture this wide, without padding.
    pub const fn row_bytes(self, plane: usize, width: u32) -> u32 {
        match (self, plane) {
            (Nv12, 1..) => width.div_ceil(2) * 2,
            (P010, 1..) => width.div_ceil(2) * 4,
            (Yuv420, 1..) => width.div_ceil(2),
            _ => width * self.bytes_per_pixel(),
        }
    }

    /// Rows of a plane (from 0) of a picture this high.
    pub const fn rows(self, plane: usize, height: u32) -> u32 {
        if plane == 0 { height } else { height.div_ceil(2) }
    }

    /// Whether the format has an alpha channel.
    pub const fn has_alpha(self) -> bool {
        self.layout().a.is_some()
    }

    /// The nearest lower alpha that the format can say exactly, scaled to 16 bits. Colours have to
    /// be premultiplied by this one: premultiplied by a finer alpha they could exceed it.
    pub const fn alpha_step(self, alpha: u16) -> u16 {
        match self.layout().a {
            None => u16::MAX,
            Some((_, 2)) => (alpha >> 14) * 0x5555,
            Some(_) => (alpha >> 8) * 257,
        }
    }

    /// Writes `pixels` as bytes of this format to the front of `out`.
    ///
    /// The unused bits of an X format become ones, as most clients have it, or zeros if `clear_unused`: a
    /// compositor that takes them for alpha then shows nothing. Encodes as many pixels as fit into `out`.
    ///
    /// For [`Format::PACKED`]; the others take more than one row ([`crate::Painter`]).
    pub fn encode(self, pixels: &[Pixel], out: &mut [u8], clear_unused: bool) {
        if self.is_yuv() {
            return;
        }
        let layout = self.layout();
        let used = [Some(layout.r), Some(layout.g), Some(layout.b), layout.a];
        let unused = match clear_unused {
            true => 0,
            false => !used.iter().flatten().fold(0, |mask, (shift, bits)| mask | ((1 << bits) - 1) << shift),
        };
        let put = |p: Pixel, (shift, bits): (u32, u32), at: u32| {
            (((p >> at) as u16 >> (16 - bits)) as u32) << shift
        };
        match self {
            // The common case, spelt out so that it becomes vector code.
            Argb8888 | Xrgb8888 => {
                let alpha = if self == Argb8888 { 0xff00_0000 } else { 0 };
                for (p, out) in pixels.iter().zip(out.as_chunks_mut::<4>().0) {
                    let word =
                        (p >> 32 & alpha) | (p >> 24 & 0xff_0000) | (p >> 16 & 0xff00) | (p >> 8 & 0xff);
                    *out = (word as u32 | unused).to_le_bytes();
                }
            }
            _ => {
                let word = |p: Pixel| {
                    let a = layout.a.map_or(unused, |a| put(p, a, 48));
                    a | put(p, layout.r, 32) | put(p, layout.g, 16) | put(p, layout.b, 0)
                };
                if layout.bytes == 2 {
                    for (p, out) in pixels.iter().zip(out.as_chunks_mut::<2>().0) {
                        *out = (word(*p) as u16).to_le_bytes();
                    }
                } else {
                    for (p, out) in pixels.iter().zip(out.as_chunks_mut::<4>().0) {
                        *out = word(*p).to_le_bytes();
                    }
                }
            }
        }
    }

    /// What is left of `pixel` after this format, as premultiplied `0xAARRGGBB`: wide channels cut to
    /// their high 8 bits, narrow ones widened by repeating their high bits, as pixman does.
    pub const fn shown(self, pixel: Pixel) -> u32 {
        const fn channel(wide: u16, bits: u32) -> u32 {
            let narrow = (wide >> (16 - bits)) as u32;
            match bits {
                2 => narrow * 0x55,
                5 => narrow << 3 | narrow >> 2,
                6 => narrow << 2 | narrow >> 4,
                10 => narrow >> 2,
                _ => narrow,
            }
        }
        let layout = self.layout();
        let a = match layout.a {
            Some((_, bits)) => channel((pixel >> 48) as u16, bits),
            None => 0xff,
        };
        a << 24
            | channel((pixel >> 32) as u16, layout.r.1) << 16
            | channel((pixel >> 16) as u16, layout.g.1) << 8
            | channel(pixel as u16, layout.b.1)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ConfigError;

    /// Takes the name or the four-character code, in upper or lower case.
    fn from_str(s: &str) -> Result<Format, ConfigError> {
        Format::ALL
            .into_iter()
            .find(|f| f.name().eq_ignore_ascii_case(s) || f.fourcc().eq_ignore_ascii_case(s))
            .ok_or_else(|| ConfigError::UnknownFormat(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_of_a_format_do_not_overlap_and_fit() {
        for format in Format::PACKED {
            let l = format.layout();
            let mut seen = 0u64;
            for (shift, bits) in [Some(l.r), Some(l.g), Some(l.b), l.a].into_iter().flatten() {
                let mask = ((1u64 << bits) - 1) << shift;
                assert_eq!(seen & mask, 0, "{format}");
                seen |= mask;
            }
            assert!(seen >> (l.bytes * 8) == 0, "{format}");
        }
    }

    #[test]
    fn encodes_the_words_that_the_names_promise() {
        let pixel = 0x8000 << 48 | 0x4321 << 32 | 0x2345 << 16 | 0x1234;
        let encode = |format: Format, clear| {
            let mut out = [0; 4];
            let bytes = format.bytes_per_pixel() as usize;
            format.encode(&[pixel], &mut out[..bytes], clear);
            u32::from_le_bytes(out)
        };
        let encoded = |format| encode(format, true);
        assert_eq!(encoded(Argb8888), 0x80432312);
        assert_eq!(encoded(Xrgb8888), 0x00432312);
        assert_eq!(encoded(Abgr8888), 0x80122343);
        assert_eq!(encoded(Xbgr8888), 0x00122343);
        assert_eq!(encoded(Rgba8888), 0x43231280);
        assert_eq!(encoded(Rgbx8888), 0x43231200);
        assert_eq!(encoded(Bgra8888), 0x12234380);
        assert_eq!(encoded(Bgrx8888), 0x12234300);
        assert_eq!(encoded(Rgb565), 8 << 11 | 8 << 5 | 2);
        assert_eq!(encoded(Bgr565), 2 << 11 | 8 << 5 | 8);
        assert_eq!(encoded(Argb2101010), 2 << 30 | 0x10c << 20 | 0x8d << 10 | 0x48);
        assert_eq!(encoded(Xbgr2101010), 0x48 << 20 | 0x8d << 10 | 0x10c);
        assert_eq!(encode(Argb8888, false), 0x80432312);
        assert_eq!(encode(Xrgb8888, false), 0xff432312);
        assert_eq!(encode(Rgbx8888, false), 0x432312ff);
        assert_eq!(encode(Xbgr2101010, false), 3 << 30 | 0x48 << 20 | 0x8d << 10 | 0x10c);
        assert_eq!(encode(Rgb565, false), 8 << 11 | 8 << 5 | 2);
    }

    #[test]
    fn shows_what_eight_bits_leave() {
        assert_eq!(Xrgb8888.shown(opaque8(1, 2, 3)), 0xff010203);
        assert_eq!(Argb8888.shown(0x8080 << 48 | 0x4040), 0x80000040);
        assert_eq!(Rgb565.shown(opaque(0xffff, 0xffff, 0x8000)), 0xffffff84);
        assert_eq!(Xrgb2101010.shown(opaque(0x0140, 0, 0xffff)), 0xff0100ff);
        assert_eq!(Argb2101010.shown(0x5555 << 48), 0x55000000);
    }

    #[test]
    fn premultiplied_colour_never_exceeds_its_alpha() {
        for format in Format::ALL.into_iter().filter(|f| f.has_alpha()) {
            for alpha in (0..=u16::MAX).step_by(97) {
                let a = format.alpha_step(alpha);
                let shown = format.shown((a as u64) << 48 | a as u64);
                assert!(shown & 0xff <= shown >> 24, "{format} {alpha}: {shown:08x}");
            }
        }
    }

    #[test]
    fn names_and_codes_parse_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
            assert_eq!(format.fourcc().to_lowercase().parse::<Format>().unwrap(), format);
        }
        assert!("rgb".parse::<Format>().is_err());
        assert_eq!(Xrgb8888.drm(), 0x3432_5258);
    }
}
