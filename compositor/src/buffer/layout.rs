//! Where a buffer's pixels lie in its pool: the numbers of `wl_shm_pool.create_buffer`, checked.

use super::Format;
use crate::geometry::Size;

/// Where a buffer's pixels lie in its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes before the first pixel.
    pub offset: u64,
    /// Bytes from one row to the next.
    pub stride: u64,
    /// Width and height in pixels, both at least 1.
    pub size: Size,
    /// What the bits mean.
    pub format: Format,
}

/// Numbers that make no buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Width or height is not positive.
    #[error("a buffer of {0}x{1} pixels: width and height must be at least 1")]
    Empty(i32, i32),
    /// The offset is negative.
    #[error("offset {0} is negative")]
    NegativeOffset(i32),
    /// A row does not fit into the stride.
    #[error("stride {stride} is too small: {width} pixels of {format} take {needed} bytes")]
    ShortStride {
        /// As the client gave it, in bytes.
        stride: i32,
        /// In pixels.
        width: i32,
        /// The format's name.
        format: &'static str,
        /// Bytes that one row takes.
        needed: u64,
    },
    /// The stride is not a multiple of a pixel, so that rows would begin within one.
    #[error("stride {stride} is not a multiple of the {bytes} bytes of a pixel")]
    UnalignedStride {
        /// As the client gave it, in bytes.
        stride: i32,
        /// Bytes of one pixel.
        bytes: u32,
    },
    /// The last row ends beyond the pool.
    #[error("the buffer ends at byte {end}, but its pool has {size}")]
    BeyondPool {
        /// One past the buffer's last byte.
        end: u64,
        /// The pool's size in bytes.
        size: u64,
    },
}

impl Layout {
    /// Checks the arguments of `wl_shm_pool.create_buffer` against a pool of `pool_size` bytes.
    ///
    /// As in libwayland, a buffer takes `stride * height` bytes: the last row counts with its
    /// padding.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] for the first number that is wrong.
    pub fn check(
        (offset, width, height, stride): (i32, i32, i32, i32),
        format: Format,
        pool_size: u64,
    ) -> Result<Self, LayoutError> {
        if width < 1 || height < 1 {
            return Err(LayoutError::Empty(width, height));
        }
        let first = u64::try_from(offset).map_err(|_| LayoutError::NegativeOffset(offset))?;
        let needed = width as u64 * u64::from(format.bytes_per_pixel());
        let row = u64::try_from(stride).ok().filter(|s| *s >= needed).ok_or(LayoutError::ShortStride {
            stride,
            width,
            format: format.name(),
            needed,
        })?;
        if row % u64::from(format.bytes_per_pixel()) != 0 {
            return Err(LayoutError::UnalignedStride { stride, bytes: format.bytes_per_pixel() });
        }
        // Each factor is below 2^31, so neither the product nor the sum leaves 64 bits.
        let end = first + row * height as u64;
        if end > pool_size {
            return Err(LayoutError::BeyondPool { end, size: pool_size });
        }
        Ok(Self { offset: first, stride: row, size: Size::new(width, height), format })
    }

    /// One past its last byte in the pool.
    pub fn end(&self) -> u64 {
        self.offset + self.stride * self.size.h as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XRGB: Format = Format::XRGB8888;

    #[test]
    fn the_exact_fit_is_accepted_and_one_byte_less_is_not() {
        let args = (64, 10, 4, 40);
        assert_eq!(Layout::check(args, XRGB, 224).unwrap().end(), 224);
        assert_eq!(Layout::check(args, XRGB, 223), Err(LayoutError::BeyondPool { end: 224, size: 223 }));
    }

    #[test]
    fn every_bad_number_is_named() {
        let max = i32::MAX;
        assert_eq!(Layout::check((0, 0, 1, 4), XRGB, 99), Err(LayoutError::Empty(0, 1)));
        assert_eq!(Layout::check((0, 1, -1, 4), XRGB, 99), Err(LayoutError::Empty(1, -1)));
        assert_eq!(Layout::check((-1, 1, 1, 4), XRGB, 99), Err(LayoutError::NegativeOffset(-1)));
        assert!(matches!(
            Layout::check((0, max, 1, max), XRGB, 99),
            Err(LayoutError::ShortStride { needed: 8_589_934_588, .. })
        ));
        assert_eq!(
            Layout::check((0, 1, 1, 6), XRGB, 99),
            Err(LayoutError::UnalignedStride { stride: 6, bytes: 4 })
        );
        assert!(matches!(
            Layout::check((max, 1, max, max - 3), XRGB, u64::from(u32::MAX)),
            Err(LayoutError::BeyondPool { .. })
        ));
    }
}
