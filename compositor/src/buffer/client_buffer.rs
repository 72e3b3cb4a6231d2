//! Buffers: a picture in a client's memory, and who is using it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wayland_server::Resource;
use wayland_server::protocol::wl_buffer::WlBuffer;

use super::{Access, DmaImage, Format, Held, Kept, Layout, Path, Pool, Release, Shadow};
use crate::client::ClientState;
use crate::geometry::Size;
use crate::scene::{Pixels, Unreadable};

/// Whose memory a buffer's pixels lie in.
pub enum Source {
    /// A piece of a `wl_shm_pool`.
    Shm {
        /// The pool.
        pool: Arc<Pool>,
        /// Where in it.
        layout: Layout,
    },
    /// One or more dma-bufs.
    DmaBuf(DmaImage),
}

/// A `wl_buffer`.
pub struct Buffer {
    id: u64,
    source: Source,
    /// Set once, right after the object exists.
    resource: Mutex<Option<WlBuffer>>,
    uses: AtomicUsize,
    copied: AtomicU64,
    frames: AtomicU64,
    path: AtomicU8,
    /// What the backend made of it.
    pub(crate) kept: Kept,
    /// What it made of it as a dma-buf.
    pub(crate) imported: Kept,
    /// What a host still reads it for.
    pub(crate) held: Arc<Held>,
}

impl Buffer {
    /// A buffer whose pixels are in `source`, which has been checked.
    pub fn new(id: u64, source: Source) -> Arc<Self> {
        Arc::new(Self {
            id,
            source,
            resource: Mutex::new(None),
            uses: AtomicUsize::new(0),
            copied: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            path: AtomicU8::new(0),
            kept: Kept::default(),
            imported: Kept::default(),
            held: Arc::default(),
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
        if self.held.keep_awaited() {
            self.client().linger(&self.held);
        }
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

    /// Whose memory its pixels lie in.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The pool it lies in; `None` if it lies in dma-bufs.
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.source {
            Source::Shm { pool, .. } => Some(pool),
            Source::DmaBuf(_) => None,
        }
    }

    /// Where it lies in its pool; `None` if it lies in dma-bufs.
    pub fn layout(&self) -> Option<&Layout> {
        match &self.source {
            Source::Shm { layout, .. } => Some(layout),
            Source::DmaBuf(_) => None,
        }
    }

    /// The dma-bufs it lies in; `None` if it lies in a pool.
    pub fn dmabuf(&self) -> Option<&DmaImage> {
        match &self.source {
            Source::Shm { .. } => None,
            Source::DmaBuf(image) => Some(image),
        }
    }

    /// Whose it is.
    pub fn client(&self) -> &Arc<ClientState> {
        match &self.source {
            Source::Shm { pool, .. } => pool.client(),
            Source::DmaBuf(image) => image.client(),
        }
    }

    /// Its width and height in pixels.
    pub fn size(&self) -> Size {
        match &self.source {
            Source::Shm { layout, .. } => layout.size,
            Source::DmaBuf(image) => image.size(),
        }
    }

    /// What its bits mean when it is read; a format that cannot be drawn as it is gets converted
    /// to this one.
    pub fn format(&self) -> Format {
        match &self.source {
            Source::Shm { layout, .. } => layout.format,
            Source::DmaBuf(image) => image.drawn_as(),
        }
    }

    /// Whether it may only be read with pread(2).
    pub fn is_unmapped(&self) -> bool {
        self.pool().is_some_and(|pool| matches!(pool.access(), Access::Copied))
    }

    /// Bytes of memory that reading it may fill: the holes of a pool. A dma-buf has all its pages.
    pub fn fillable(&self) -> u64 {
        self.layout().map_or(0, |layout| layout.end() - layout.offset)
    }

    /// Calls `f` with the pixels as they lie in the client's memory, the guard armed.
    fn read<R>(&self, f: impl FnOnce(Pixels) -> R) -> Result<R, Unreadable> {
        let (pool, layout) = match &self.source {
            Source::Shm { pool, layout } => (pool, layout),
            Source::DmaBuf(image) => return image.read(f),
        };
        let Layout { offset, stride, size, format } = *layout;
        // Both fit: they were checked against the size of a mapping that exists.
        let (offset, stride) = (offset as usize, stride as usize);
        pool.read(offset, stride * size.h as usize, |ptr| f(Pixels { ptr, stride, size, format }))
            .map_err(Unreadable::Gone)
    }
}

/// One use of a buffer: from the commit that attached it to the last reader's end.
///
/// Whoever reads holds a clone of the `Arc`. When the last one is dropped, and no other use of the
/// same buffer is under way, the client gets its `wl_buffer.release`.
pub struct BufferUse {
    buffer: Arc<Buffer>,
    /// The copy that is drawn instead, where the buffer cannot be drawn as it is.
    converted: OnceLock<Shadow>,
    /// Bytes read for that copy that nobody has asked for yet.
    converted_bytes: AtomicU64,
    /// It was to be drawn while somebody was still writing it.
    was_busy: AtomicBool,
    /// Who wants to know of its end: these belong to the commit, not to the buffer.
    release: Mutex<Vec<Release>>,
}

impl BufferUse {
    /// Begins a use.
    pub fn new(buffer: Arc<Buffer>) -> Self {
        buffer.uses.fetch_add(1, Ordering::Relaxed);
        Self {
            buffer,
            converted: OnceLock::new(),
            converted_bytes: AtomicU64::new(0),
            was_busy: AtomicBool::new(false),
            release: Mutex::new(Vec::new()),
        }
    }

    /// Calls `f` with the pixels to draw: those in the client's memory, the guard armed, or a copy in a form that
    /// can be drawn, which is made once per use.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the memory went away, or is not to be read (now).
    pub fn read<R>(&self, f: impl FnOnce(Pixels) -> R) -> Result<R, Unreadable> {
        if let Some(copy) = self.converted.get() {
            return Ok(f(copy.pixels()));
        }
        let read = match self.buffer.dmabuf().filter(|image| image.is_converted()) {
            None => self.buffer.read(f),
            Some(image) => image.convert().map(|(copy, bytes)| {
                self.converted_bytes.fetch_add(bytes, Ordering::Relaxed);
                f(self.converted.get_or_init(|| copy).pixels())
            }),
        };
        self.was_busy.fetch_or(matches!(read, Err(Unreadable::Busy)), Ordering::Relaxed);
        read
    }

    /// Bytes that were read to convert it since the last call.
    pub(crate) fn take_converted_bytes(&self) -> u64 {
        self.converted_bytes.swap(0, Ordering::Relaxed)
    }

    /// Whether it was not drawn since the last call because somebody was still writing it.
    pub(crate) fn take_busy(&self) -> bool {
        self.was_busy.swap(false, Ordering::Relaxed)
    }

    /// The buffer in use.
    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    /// Whether the client wants to know when this very use ends.
    pub(crate) fn is_awaited(&self) -> bool {
        let release = self.release.lock().unwrap_or_else(PoisonError::into_inner);
        release.iter().any(Release::is_awaited)
    }

    /// Has these told when this use ends.
    pub(crate) fn notify(&self, release: &mut Vec<Release>) {
        self.release.lock().unwrap_or_else(PoisonError::into_inner).append(release);
    }
}

impl Drop for BufferUse {
    fn drop(&mut self) {
        for release in self.release.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            release.tell(&self.buffer);
        }
        if self.buffer.uses.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(resource) = self.buffer.resource()
        {
            resource.release();
        }
    }
}
