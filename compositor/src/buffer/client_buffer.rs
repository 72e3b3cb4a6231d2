//! Buffers: a rectangle of pixels in a pool, and who is using it.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wayland_server::Resource;
use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_callback::WlCallback;

use super::{Access, Format, Path, Pool};
use crate::geometry::Size;
use crate::scene::{Pixels, Unreadable};

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

/// A `wl_buffer` made from a pool.
pub struct Buffer {
    id: u64,
    pool: Arc<Pool>,
    layout: Layout,
    /// Set once, right after the object exists.
    resource: Mutex<Option<WlBuffer>>,
    uses: AtomicUsize,
    copied: AtomicU64,
    frames: AtomicU64,
    path: AtomicU8,
}

impl Buffer {
    /// A buffer of `pool`; `layout` has been checked against it.
    pub fn new(id: u64, pool: Arc<Pool>, layout: Layout) -> Arc<Self> {
        Arc::new(Self {
            id,
            pool,
            layout,
            resource: Mutex::new(None),
            uses: AtomicUsize::new(0),
            copied: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            path: AtomicU8::new(0),
        })
    }

    /// Notes a frame that took `path`, `copied` bytes being read for it.
    pub(crate) fn count_frame(&self, path: Path, copied: u64) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.copied.fetch_add(copied, Ordering::Relaxed);
        self.path.store(path as u8, Ordering::Relaxed);
    }

    /// Frames that showed it.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Bytes that were copied out of it, over all frames.
    pub fn bytes_copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// The path of its last frame.
    pub fn path(&self) -> Option<Path> {
        Path::from_u8(self.path.load(Ordering::Relaxed))
    }

    /// Tells which protocol object to send `wl_buffer.release` to.
    pub(crate) fn set_resource(&self, resource: WlBuffer) {
        *self.resource.lock().unwrap_or_else(PoisonError::into_inner) = Some(resource);
    }

    /// Lets go of the protocol object, which holds this buffer: together they would never go.
    pub(crate) fn forget_resource(&self) {
        *self.resource.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The protocol object, while the client has not destroyed it.
    pub(crate) fn resource(&self) -> Option<WlBuffer> {
        let guard = self.resource.lock().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().filter(|r| r.is_alive()).cloned()
    }

    /// Its number in the ledger; never used again.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The pool it lies in.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Where it lies there.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its width and height in pixels.
    pub fn size(&self) -> Size {
        self.layout.size
    }

    /// What its bits mean.
    pub fn format(&self) -> Format {
        self.layout.format
    }

    /// Whether it may only be read with pread(2).
    pub fn is_unmapped(&self) -> bool {
        matches!(self.pool.access(), Access::Copied)
    }

    /// Calls `f` with the pixels as they lie in the client's memory, the guard armed.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the memory went away.
    pub fn read<R>(&self, f: impl FnOnce(Pixels) -> R) -> Result<R, Unreadable> {
        let Layout { offset, stride, size, format } = self.layout;
        // Both fit: they were checked against the size of a mapping that exists.
        let (offset, stride) = (offset as usize, stride as usize);
        self.pool
            .read(offset, stride * size.h as usize, |ptr| f(Pixels { ptr, stride, size, format }))
            .map_err(Unreadable)
    }
}

/// One use of a buffer: from the commit that attached it to the last reader's end.
///
/// Whoever reads holds a clone of the `Arc`. When the last one is dropped, and no other use of the
/// same buffer is under way, the client gets its `wl_buffer.release`.
pub struct BufferUse {
    buffer: Arc<Buffer>,
    /// The callbacks of `wl_surface.get_release`, which is per commit.
    release: Mutex<Vec<WlCallback>>,
}

impl BufferUse {
    /// Begins a use.
    pub fn new(buffer: Arc<Buffer>) -> Self {
        buffer.uses.fetch_add(1, Ordering::Relaxed);
        Self { buffer, release: Mutex::new(Vec::new()) }
    }

    /// The buffer in use.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// Has `callbacks` told when this use ends.
    pub(crate) fn notify(&self, callbacks: &mut Vec<WlCallback>) {
        self.release.lock().unwrap_or_else(PoisonError::into_inner).append(callbacks);
    }
}

impl Drop for BufferUse {
    fn drop(&mut self) {
        for callback in self.release.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            callback.done(0);
        }
        if self.buffer.uses.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(resource) = self.buffer.resource()
        {
            resource.release();
        }
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
