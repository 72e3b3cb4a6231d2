//! A private copy of a surface's pixels, for memory that is never mapped (policy `copy`) and for dma-bufs that
//! cannot be drawn as they are.
//!
//! pread(2) cannot fault: memory that went away is a short read. So only what the client says it
//! changed is read, once per commit, and the client may have its buffer back at once.

use shm_core::pread::pread_rows;

use super::{Buffer, Format};
use crate::geometry::{Rect, Region, Size};
use crate::scene::Pixels;

/// The compositor's own copy of what a surface shows.
pub struct Shadow {
    size: Size,
    format: Format,
    stride: usize,
    data: Vec<u8>,
}

/// What an update came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Bytes that were read.
    pub bytes: u64,
    /// Whether the memory ended before the buffer did: its client cut it off.
    pub short: bool,
}

impl Shadow {
    /// A copy of nothing yet, fit for `buffer`: black, transparent where its format can be.
    pub fn for_buffer(buffer: &Buffer) -> Self {
        let (size, format) = (buffer.size(), buffer.format());
        let stride = size.w as usize * format.bytes_per_pixel() as usize;
        Self { size, format, stride, data: vec![0; stride * size.h as usize] }
    }

    /// A copy that is complete: rows of `size.w` pixels without padding.
    pub(super) fn of(size: Size, format: Format, data: Vec<u8>) -> Self {
        Self { size, format, stride: size.w as usize * format.bytes_per_pixel() as usize, data }
    }

    /// Another copy of the same.
    pub fn duplicate(&self) -> Self {
        Self { size: self.size, format: self.format, stride: self.stride, data: self.data.clone() }
    }

    /// Whether it can be brought up to date from `buffer`.
    pub fn fits(&self, buffer: &Buffer) -> bool {
        self.size == buffer.size() && self.format == buffer.format()
    }

    /// Reads the pixels of `damage` (in the buffer's pixels) from `buffer`.
    ///
    /// Rows that are no longer there keep what they showed.
    pub fn update(&mut self, buffer: &Buffer, damage: &Region) -> Copied {
        debug_assert!(self.fits(buffer));
        let (Some(pool), Some(layout)) = (buffer.pool(), buffer.layout()) else { return Copied::default() };
        let bpp = self.format.bytes_per_pixel() as usize;
        let mut copied = Copied::default();
        for b in damage.rectangles() {
            let r = Rect::new(b.x1, b.y1, b.x2 - b.x1, b.y2 - b.y1).intersect(Rect::of_size(self.size));
            if r.is_empty() {
                continue;
            }
            let (x, y, w, h) = (r.x as usize, r.y as usize, r.w as usize, r.h as usize);
            let from = layout.offset + y as u64 * layout.stride + (x * bpp) as u64;
            let at = y * self.stride + x * bpp;
            let read = pread_rows(
                pool.fd(),
                from,
                layout.stride as usize,
                w * bpp,
                h,
                &mut self.data[at..],
                self.stride,
            );
            match read {
                Ok(bytes) => copied.bytes += bytes as u64,
                Err(e) => {
                    tracing::debug!(buffer = buffer.id(), "copy is short: {e}");
                    copied.short = true;
                }
            }
        }
        copied
    }

    /// The pixels.
    pub fn pixels(&self) -> Pixels {
        Pixels { ptr: self.data.as_ptr(), stride: self.stride, size: self.size, format: self.format }
    }

    /// What the bits mean.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }
}
