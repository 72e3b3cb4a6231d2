//! Pixel formats: `wl_shm.format` numbers beside pixman's names for the same bits.
//!
//! DRM names a format by the order of its bits in a little-endian word, and so does pixman; the two
//! differ in spelling only. wl_shm uses DRM's numbers except for its first two formats.

use pixman::FormatCode;
use wayland_server::protocol::wl_shm;

/// A pixel format that the renderer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format(&'static Row);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    wire: u32,
    name: &'static str,
    code: Code,
    bytes: u32,
    opaque: bool,
}

/// pixman's `FormatCode` has no `Hash`; its name is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Code {
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
}

macro_rules! rows {
    ($($wire:ident $name:literal $code:ident $bytes:literal $opaque:literal;)*) => {
        static ROWS: &[Row] = &[$(Row {
            wire: wl_shm::Format::$wire as u32,
            name: $name,
            code: Code::$code,
            bytes: $bytes,
            opaque: $opaque,
        }),*];
    };
}

rows! {
    Argb8888 "ARGB8888" Argb8888 4 false;
    Xrgb8888 "XRGB8888" Xrgb8888 4 true;
    Abgr8888 "ABGR8888" Abgr8888 4 false;
    Xbgr8888 "XBGR8888" Xbgr8888 4 true;
    Rgba8888 "RGBA8888" Rgba8888 4 false;
    Rgbx8888 "RGBX8888" Rgbx8888 4 true;
    Bgra8888 "BGRA8888" Bgra8888 4 false;
    Bgrx8888 "BGRX8888" Bgrx8888 4 true;
    Rgb565 "RGB565" Rgb565 2 true;
    Bgr565 "BGR565" Bgr565 2 true;
    Argb2101010 "ARGB2101010" Argb2101010 4 false;
    Xrgb2101010 "XRGB2101010" Xrgb2101010 4 true;
    Abgr2101010 "ABGR2101010" Abgr2101010 4 false;
    Xbgr2101010 "XBGR2101010" Xbgr2101010 4 true;
}

impl Format {
    /// Eight bits per channel, blue first in memory, the fourth byte ignored: what screens use.
    pub const XRGB8888: Format = Format(&ROWS[1]);
    /// As [`Format::XRGB8888`], the fourth byte being premultiplied alpha.
    pub const ARGB8888: Format = Format(&ROWS[0]);

    /// Every format, in the order in which they are advertised.
    pub fn all() -> impl Iterator<Item = Format> {
        ROWS.iter().map(Format)
    }

    /// The format with that wl_shm number.
    pub fn from_wire(format: wl_shm::Format) -> Option<Format> {
        ROWS.iter().find(|r| r.wire == format as u32).map(Format)
    }

    /// Its wl_shm number.
    pub fn to_wire(self) -> u32 {
        self.0.wire
    }

    /// Its number in drm_fourcc.h, which wl_shm uses for all but its first two.
    pub fn fourcc(self) -> u32 {
        match self.0.wire {
            0 => u32::from_le_bytes(*b"AR24"),
            1 => u32::from_le_bytes(*b"XR24"),
            other => other,
        }
    }

    /// Its name in drm_fourcc.h, without the prefix.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Bytes of one pixel.
    pub fn bytes_per_pixel(self) -> u32 {
        self.0.bytes
    }

    /// Whether it has no alpha channel.
    pub fn is_opaque(self) -> bool {
        self.0.opaque
    }

    /// pixman's name for it.
    pub fn pixman(self) -> FormatCode {
        match self.0.code {
            Code::Argb8888 => FormatCode::A8R8G8B8,
            Code::Xrgb8888 => FormatCode::X8R8G8B8,
            Code::Abgr8888 => FormatCode::A8B8G8R8,
            Code::Xbgr8888 => FormatCode::X8B8G8R8,
            Code::Rgba8888 => FormatCode::R8G8B8A8,
            Code::Rgbx8888 => FormatCode::R8G8B8X8,
            Code::Bgra8888 => FormatCode::B8G8R8A8,
            Code::Bgrx8888 => FormatCode::B8G8R8X8,
            Code::Rgb565 => FormatCode::R5G6B5,
            Code::Bgr565 => FormatCode::B5G6R5,
            Code::Argb2101010 => FormatCode::A2R10G10B10,
            Code::Xrgb2101010 => FormatCode::X2R10G10B10,
            Code::Abgr2101010 => FormatCode::A2B10G10R10,
            Code::Xbgr2101010 => FormatCode::X2B10G10R10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_old_numbers_and_the_fourccs_are_found() {
        assert_eq!(Format::from_wire(wl_shm::Format::Argb8888), Some(Format::ARGB8888));
        assert_eq!(Format::from_wire(wl_shm::Format::Xrgb8888), Some(Format::XRGB8888));
        assert_eq!(Format::ARGB8888.to_wire(), 0);
        assert_eq!(Format::XRGB8888.to_wire(), 1);
        let rgb565 = Format::from_wire(wl_shm::Format::Rgb565).unwrap();
        assert_eq!(rgb565.to_wire().to_le_bytes(), *b"RG16");
        assert_eq!(Format::from_wire(wl_shm::Format::Nv12), None);
    }
}
