//! Formats as DRM names them, for pictures in dma-bufs: what wl_shm has here too, and what cameras and
//! video decoders make.

use super::Format;

/// `DRM_FORMAT_MOD_LINEAR`: row after row, pixel after pixel.
pub const LINEAR: u64 = 0;
/// `DRM_FORMAT_MOD_INVALID`: not said; only the driver that made the buffer knows.
pub const IMPLICIT: u64 = 0x00ff_ffff_ffff_ffff;

/// What the pixels of a picture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixel {
    /// Red, green and blue (and alpha): drawn as they are.
    Rgb(Format),
    /// Luma and chroma: converted before they are drawn.
    Yuv(Yuv),
}

/// A way to store luma and chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Yuv {
    /// 8 bits of luma; then U and V side by side for every 2x2 pixels.
    Nv12,
    /// The same with 10 bits in the upper part of 16.
    P010,
    /// 8 bits of luma, then U, then V for every 2x2 pixels, each in a plane of its own.
    Yuv420,
    /// Y, U, Y, V: one plane, chroma for every 2 pixels of a row.
    Yuyv,
}

/// What one plane of a format is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Pixels of the picture that one sample is for, across.
    pub across: u32,
    /// Pixels of the picture that one sample is for, down.
    pub down: u32,
    /// Bytes of one sample.
    pub bytes: u32,
}

impl Shape {
    /// Bytes that a row takes in a picture that is `width` pixels wide.
    pub fn row(self, width: i32) -> u64 {
        u64::from(width.unsigned_abs().div_ceil(self.across)) * u64::from(self.bytes)
    }

    /// Rows in a picture that is `height` pixels high.
    pub fn rows(self, height: i32) -> u64 {
        u64::from(height.unsigned_abs().div_ceil(self.down))
    }
}

const fn shape(across: u32, down: u32, bytes: u32) -> Shape {
    Shape { across, down, bytes }
}

/// A format of pictures in dma-bufs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrmFormat {
    /// `DRM_FORMAT_*` of drm_fourcc.h.
    pub fourcc: u32,
    /// What its pixels are.
    pub pixel: Pixel,
}

const YUV: [(&[u8; 4], Yuv); 4] =
    [(b"NV12", Yuv::Nv12), (b"P010", Yuv::P010), (b"YU12", Yuv::Yuv420), (b"YUYV", Yuv::Yuyv)];

impl DrmFormat {
    /// Every format that can be drawn, in the order in which they are offered.
    pub fn all() -> impl Iterator<Item = DrmFormat> {
        let rgb = Format::all().map(|f| DrmFormat { fourcc: f.fourcc(), pixel: Pixel::Rgb(f) });
        let yuv = YUV
            .into_iter()
            .map(|(name, yuv)| DrmFormat { fourcc: u32::from_le_bytes(*name), pixel: Pixel::Yuv(yuv) });
        rgb.chain(yuv)
    }

    /// The format of that number, if it can be drawn.
    pub fn from_fourcc(fourcc: u32) -> Option<DrmFormat> {
        Self::all().find(|f| f.fourcc == fourcc)
    }

    /// Its planes.
    pub fn planes(self) -> &'static [Shape] {
        match self.pixel {
            Pixel::Rgb(format) if format.bytes_per_pixel() == 2 => const { &[shape(1, 1, 2)] },
            Pixel::Rgb(_) => const { &[shape(1, 1, 4)] },
            Pixel::Yuv(Yuv::Nv12) => const { &[shape(1, 1, 1), shape(2, 2, 2)] },
            Pixel::Yuv(Yuv::P010) => const { &[shape(1, 1, 2), shape(2, 2, 4)] },
            Pixel::Yuv(Yuv::Yuv420) => const { &[shape(1, 1, 1), shape(2, 2, 1), shape(2, 2, 1)] },
            Pixel::Yuv(Yuv::Yuyv) => const { &[shape(2, 1, 4)] },
        }
    }

    /// What it is drawn as: itself, or what it is converted to.
    pub fn drawn_as(self) -> Format {
        match self.pixel {
            Pixel::Rgb(format) => format,
            Pixel::Yuv(_) => Format::XRGB8888,
        }
    }
}

/// A format's four letters, for people; its number where it has none.
pub fn fourcc_name(fourcc: u32) -> String {
    let bytes = fourcc.to_le_bytes();
    if bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
        bytes.iter().map(|b| char::from(*b)).collect()
    } else {
        format!("{fourcc:#010x}")
    }
}

/// A modifier, for people.
pub fn modifier_name(modifier: u64) -> String {
    match modifier {
        LINEAR => "linear".into(),
        IMPLICIT => "implicit".into(),
        other => format!("{other:#018x}"),
    }
}

/// Whether the buffers of that exporter lie row after row even if nobody says so.
///
/// True for memory that has no layout of its own (udmabuf, dma-heaps, V4L2) and for the dumb buffers of drivers without
/// a GPU, which know no other. Not for drivers of GPUs, which tile what they like.
pub fn is_linear_by_nature(exporter: &str) -> bool {
    const DRIVERS: [&str; 14] = [
        "udmabuf",
        "system",
        "reserved",
        "default_cma_region",
        "vgem",
        "vkms",
        "virtio_gpu",
        "bochs-drm",
        "cirrus",
        "cirrus-qemu",
        "simpledrm",
        "ast",
        "mgag200",
        "qxl",
    ];
    DRIVERS.contains(&exporter) || exporter.starts_with("vb2-") || exporter.starts_with("linux,cma")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_number_and_no_number_is_twice() {
        let all: Vec<_> = DrmFormat::all().collect();
        for format in &all {
            assert_eq!(DrmFormat::from_fourcc(format.fourcc), Some(*format));
        }
        let mut numbers: Vec<_> = all.iter().map(|f| f.fourcc).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all.len());
        assert_eq!(fourcc_name(Format::ARGB8888.fourcc()), "AR24");
        assert_eq!(fourcc_name(Format::XRGB8888.fourcc()), "XR24");
        assert_eq!(fourcc_name(1), "0x00000001");
    }

    #[test]
    fn odd_sizes_have_room_for_their_last_samples() {
        let nv12 = DrmFormat::from_fourcc(u32::from_le_bytes(*b"NV12")).unwrap().planes();
        assert_eq!((nv12[0].row(5), nv12[0].rows(3)), (5, 3));
        assert_eq!((nv12[1].row(5), nv12[1].rows(3)), (6, 2));
        let yuyv = DrmFormat::from_fourcc(u32::from_le_bytes(*b"YUYV")).unwrap().planes();
        assert_eq!((yuyv[0].row(5), yuyv[0].rows(3)), (12, 3));
    }
}
