//! Pictures in dma-bufs: the memory, and the planes, format and modifier that make a picture of it.
//!
//! A dma-buf never changes its size, so there is no verdict to be had beyond that it is one. What is linear is mapped when
//! the buffer is made, and read in place; what has no name in pixman (YUV, upside down) is converted once per use.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};

use shm_core::dmabuf::{Access, DmaBuf, DmaBufError, DmaBufMapping};

use super::fourcc::{DrmFormat, IMPLICIT, LINEAR, Pixel, fourcc_name, is_linear_by_nature, modifier_name};
use super::{Format, Shadow, yuv};
use crate::client::ClientState;
use crate::error::ProtocolError;
use crate::geometry::Size;
use crate::scene::{Pixels, Unreadable};

/// `zwp_linux_buffer_params_v1.flags.y_invert`: the first row is the lowest.
pub const Y_INVERT: u32 = 1;

/// Which memory a dma-buf is: device and inode.
pub(crate) type DmaKey = (u64, u64);

/// A dma-buf of a client. However often the client sends it, it is kept, and mapped, once.
pub struct DmaMemory {
    dmabuf: DmaBuf,
    key: DmaKey,
    mapping: OnceLock<DmaBufMapping>,
    client: Arc<ClientState>,
}

/// Why an fd is not taken as a dma-buf.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmitError {
    /// It is none, or cannot be used.
    #[error(transparent)]
    Refused(#[from] DmaBufError),
    /// Its client has too much already.
    #[error("its client has too many dma-bufs")]
    Limit(ProtocolError),
}

impl DmaMemory {
    /// Takes an fd that may be anything, if it is a dma-buf.
    ///
    /// Nothing is asked of the file before the kernel has said what it is; an fd that is refused is closed where that
    /// holds up nobody.
    ///
    /// # Errors
    ///
    /// [`AdmitError`].
    pub(crate) fn admit(fd: OwnedFd, client: &Arc<ClientState>) -> Result<Arc<Self>, AdmitError> {
        let dmabuf = DmaBuf::new(fd)?;
        // A dma-buf is a file of the kernel's own.
        let stat = rustix::fs::fstat(dmabuf.fd()).map_err(|e| DmaBufError::Size { source: e.into() })?;
        let key = (stat.st_dev, stat.st_ino);
        let mut known = client.dmabufs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = known.get(&key).and_then(|weak| weak.upgrade()) {
            return Ok(memory);
        }
        let (counts, limits) = (&client.counts, &client.limits);
        client.take(&counts.dmabufs, limits.dmabufs, "dma-bufs").map_err(AdmitError::Limit)?;
        let size = dmabuf.size();
        let bytes = counts.dmabuf_bytes.fetch_add(size, Ordering::Relaxed);
        let memory = Arc::new(Self { dmabuf, key, mapping: OnceLock::new(), client: client.clone() });
        if bytes.saturating_add(size) > limits.dmabuf_bytes {
            // Given back by what is dropped here, which wants the lock.
            drop(known);
            let message = format!("its dma-bufs have more than {} bytes in all", limits.dmabuf_bytes);
            return Err(AdmitError::Limit(ProtocolError::no_memory(message)));
        }
        known.insert(key, Arc::downgrade(&memory));
        Ok(memory)
    }

    /// The dma-buf.
    pub fn dmabuf(&self) -> &DmaBuf {
        &self.dmabuf
    }

    /// It, mapped; mapped now if it was not yet.
    ///
    /// # Errors
    ///
    /// [`DmaBufError`] if its driver does not let the CPU in.
    pub fn mapping(&self) -> Result<&DmaBufMapping, DmaBufError> {
        if let Some(mapping) = self.mapping.get() {
            return Ok(mapping);
        }
        let mapping = self.dmabuf.map()?;
        Ok(self.mapping.get_or_init(|| mapping))
    }
}

impl Drop for DmaMemory {
    fn drop(&mut self) {
        self.client.counts.dmabufs.fetch_sub(1, Ordering::Relaxed);
        self.client.counts.dmabuf_bytes.fetch_sub(self.dmabuf.size(), Ordering::Relaxed);
        let mut known = self.client.dmabufs.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&self.key).is_some_and(|weak| weak.strong_count() == 0) {
            known.remove(&self.key);
        }
    }
}

/// Where one plane of a picture lies.
#[derive(Clone)]
pub struct Plane {
    pub(crate) memory: Arc<DmaMemory>,
    /// Bytes before its first row.
    pub offset: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

impl Plane {
    /// The dma-buf, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.memory.dmabuf.as_fd()
    }

    /// Bytes of the dma-buf, all of it.
    pub fn size(&self) -> u64 {
        self.memory.dmabuf.size()
    }
}

/// Planes that make no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaneError {
    /// The format has more planes, or fewer.
    #[error("{format} has {wanted} planes, not {got}")]
    Count {
        /// The format's name.
        format: String,
        /// Planes of the format.
        wanted: usize,
        /// Planes that were added.
        got: usize,
    },
    /// Width or height is not positive.
    #[error("a buffer of {0}x{1} pixels: width and height must be at least 1")]
    Empty(i32, i32),
    /// A row does not fit into the stride.
    #[error("plane {plane}: stride {stride} is too small: a row of {format} takes {needed} bytes")]
    ShortStride {
        /// Which plane.
        plane: usize,
        /// As the client gave it, in bytes.
        stride: u32,
        /// The format's name.
        format: String,
        /// Bytes that one row takes.
        needed: u64,
    },
    /// The last row ends beyond the dma-buf.
    #[error("plane {plane} ends at byte {end}, but its dma-buf has {size}")]
    Beyond {
        /// Which plane.
        plane: usize,
        /// One past its last byte.
        end: u64,
        /// The dma-buf's size in bytes.
        size: u64,
    },
}

/// A plane without its memory: offset, stride, and the dma-buf's size, in bytes.
pub(crate) type Extent = (u32, u32, u64);

/// Checks planes against a format that is arranged linearly; the first number that is wrong is the error.
pub(crate) fn check_linear(
    format: DrmFormat,
    (width, height): (i32, i32),
    extents: &[Extent],
) -> Result<(), PlaneError> {
    let (shapes, name) = (format.planes(), || fourcc_name(format.fourcc));
    if shapes.len() != extents.len() {
        return Err(PlaneError::Count { format: name(), wanted: shapes.len(), got: extents.len() });
    }
    if width < 1 || height < 1 {
        return Err(PlaneError::Empty(width, height));
    }
    for (plane, (shape, &(offset, stride, size))) in shapes.iter().zip(extents).enumerate() {
        let needed = shape.row(width);
        if u64::from(stride) < needed {
            return Err(PlaneError::ShortStride { plane, stride, format: name(), needed });
        }
        // Factors below 2^32 and 2^31: neither the product nor the sum leaves 64 bits.
        let end = u64::from(offset) + u64::from(stride) * shape.rows(height);
        if end > size {
            return Err(PlaneError::Beyond { plane, end, size });
        }
    }
    Ok(())
}

/// The same for planes that only a driver understands: there may be more of them than the format has, and what the
/// stride means is the driver's business.
pub(crate) fn check_opaque(
    fourcc: u32,
    (width, height): (i32, i32),
    extents: &[Extent],
) -> Result<(), PlaneError> {
    let wanted = DrmFormat::from_fourcc(fourcc).map_or(1, |f| f.planes().len());
    if extents.len() < wanted {
        return Err(PlaneError::Count { format: fourcc_name(fourcc), wanted, got: extents.len() });
    }
    if width < 1 || height < 1 {
        return Err(PlaneError::Empty(width, height));
    }
    for (plane, &(offset, _, size)) in extents.iter().enumerate() {
        if u64::from(offset) >= size {
            return Err(PlaneError::Beyond { plane, end: u64::from(offset) + 1, size });
        }
    }
    Ok(())
}

/// A picture in dma-bufs, accepted as a `wl_buffer`.
pub struct DmaImage {
    client: Arc<ClientState>,
    size: Size,
    fourcc: u32,
    modifier: u64,
    flags: u32,
    planes: Vec<Plane>,
    /// What the CPU makes of it; `None` if only a driver can read it.
    readable: Option<DrmFormat>,
}

impl DmaImage {
    /// A picture; its numbers have been checked.
    pub(crate) fn new(
        client: Arc<ClientState>,
        size: Size,
        (fourcc, modifier): (u32, u64),
        flags: u32,
        planes: Vec<Plane>,
    ) -> Self {
        let linear = is_linear(modifier, planes.iter().map(|p| p.memory.dmabuf.exporter()));
        let readable = DrmFormat::from_fourcc(fourcc).filter(|_| linear);
        Self { client, size, fourcc, modifier, flags, planes, readable }
    }

    /// Whose it is.
    pub fn client(&self) -> &Arc<ClientState> {
        &self.client
    }

    /// Its width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Its format: a `DRM_FORMAT_*` of drm_fourcc.h.
    pub fn fourcc(&self) -> u32 {
        self.fourcc
    }

    /// How its pixels are arranged: a `DRM_FORMAT_MOD_*` of drm_fourcc.h, the same for all planes.
    pub fn modifier(&self) -> u64 {
        self.modifier
    }

    /// `zwp_linux_buffer_params_v1.flags`.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Its planes, in their order.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// The dma-bufs that it lies in, each once.
    pub fn memory(&self) -> impl Iterator<Item = &Arc<DmaMemory>> {
        let before = |i: usize, key| self.planes[..i].iter().any(|p| p.memory.key == key);
        let all = self.planes.iter().map(|p| &p.memory).enumerate();
        all.filter(move |(i, m)| !before(*i, m.key)).map(|(_, m)| m)
    }

    /// Who made the dma-bufs, each name once.
    pub fn exporters(&self) -> String {
        let mut names: Vec<&str> = self.memory().map(|m| m.dmabuf.exporter()).collect();
        names.dedup();
        names.join(", ")
    }

    /// Bytes of all its dma-bufs together.
    pub fn bytes(&self) -> u64 {
        self.memory().fold(0, |sum, m| sum.saturating_add(m.dmabuf.size()))
    }

    /// What it is, in words.
    pub fn describe(&self) -> String {
        let (fourcc, modifier) = (fourcc_name(self.fourcc), modifier_name(self.modifier));
        format!("dma-buf ({}), {fourcc}, {modifier}", self.exporters())
    }

    /// Whether the CPU understands it. Everything else can only be passed on.
    pub fn is_readable(&self) -> bool {
        self.readable.is_some()
    }

    /// What it is drawn as: its own format, or what it is converted to where it cannot be drawn as it is.
    pub fn drawn_as(&self) -> Format {
        // What is not understood may have holes to look through.
        self.readable.map_or(Format::ARGB8888, DrmFormat::drawn_as)
    }

    /// Whether it can only be drawn after a conversion.
    pub fn is_converted(&self) -> bool {
        let as_it_is = |f: DrmFormat| matches!(f.pixel, Pixel::Rgb(_)) && self.flags & Y_INVERT == 0;
        !self.readable.is_some_and(as_it_is)
    }

    /// Maps all of it.
    ///
    /// # Errors
    ///
    /// [`DmaBufError`] if a driver does not let the CPU in.
    pub(crate) fn map(&self) -> Result<(), DmaBufError> {
        self.memory().try_for_each(|memory| memory.mapping().map(drop))
    }

    /// Whether nobody is still writing it.
    fn is_idle(&self) -> bool {
        // What cannot be asked has no fences.
        self.memory().all(|m| m.dmabuf.is_idle(Access::Read).unwrap_or(true))
    }

    /// What must be over before `access` may begin: files that become readable when somebody who uses it is done.
    pub(crate) fn fences(&self, access: Access) -> Vec<OwnedFd> {
        let busy = self.memory().filter(|m| !m.dmabuf.is_idle(access).unwrap_or(true));
        let fence = |m: &Arc<DmaMemory>| {
            m.dmabuf
                .export_sync_file(access)
                // Before Linux 6.0: the dma-buf can be polled too, but waits for later writers as well.
                .or_else(|_| m.dmabuf.fd().try_clone_to_owned())
                .inspect_err(|e| tracing::warn!("cannot wait for a dma-buf: {e}"))
                .ok()
        };
        busy.filter_map(fence).collect()
    }

    /// Refuses to read what is being written, or is not for us to read. There is a moment between this question and the
    /// reading in which the client could add another fence; the reading would then wait for it.
    fn ready(&self) -> Result<DrmFormat, Unreadable> {
        let format = self.readable.ok_or(Unreadable::Opaque)?;
        if self.is_idle() { Ok(format) } else { Err(Unreadable::Busy) }
    }

    /// Calls `f` with the pixels as they lie there. Not for what must be converted.
    pub(super) fn read<R>(&self, f: impl FnOnce(Pixels) -> R) -> Result<R, Unreadable> {
        let format = self.ready()?.drawn_as();
        let Plane { memory, offset, stride } = &self.planes[0];
        let (start, stride) = (*offset as usize, *stride as usize);
        let end = start + stride * self.size.h as usize;
        let size = self.size;
        let mapping = memory.mapping().map_err(unreadable)?;
        mapping.read(start..end, |ptr, _| f(Pixels { ptr, stride, size, format })).map_err(unreadable)
    }

    /// A copy in a form that can be drawn, and how many bytes were read for it.
    pub(super) fn convert(&self) -> Result<(Shadow, u64), Unreadable> {
        let format = self.ready()?;
        let shapes = format.planes();
        let mut copies = Vec::with_capacity(shapes.len());
        for (Plane { memory, offset, stride }, shape) in self.planes.iter().zip(shapes) {
            let mut copy = vec![0; *stride as usize * shape.rows(self.size.h) as usize];
            let mapping = memory.mapping().map_err(unreadable)?;
            mapping.copy_to(*offset as usize, &mut copy).map_err(unreadable)?;
            copies.push((copy, *stride as usize));
        }
        let read = copies.iter().map(|(copy, _)| copy.len() as u64).sum();
        let drawn_as = format.drawn_as();
        let row = self.size.w as usize * drawn_as.bytes_per_pixel() as usize;
        let mut out = vec![0; row * self.size.h as usize];
        match format.pixel {
            Pixel::Rgb(_) => {
                for (to, from) in out.chunks_exact_mut(row).zip(copies[0].0.chunks(copies[0].1)) {
                    to.copy_from_slice(&from[..row]);
                }
            }
            Pixel::Yuv(yuv) => {
                let planes: Vec<yuv::Plane<'_>> = copies.iter().map(|(c, s)| (c.as_slice(), *s)).collect();
                yuv::convert(yuv, self.size, &planes, &mut out);
            }
        }
        if self.flags & Y_INVERT != 0 {
            flip(&mut out, row);
        }
        Ok((Shadow::of(self.size, drawn_as, out), read))
    }
}

/// Whether a modifier says that rows follow each other, or the exporters do.
pub(crate) fn is_linear<'a>(modifier: u64, mut exporters: impl Iterator<Item = &'a str>) -> bool {
    modifier == LINEAR || (modifier == IMPLICIT && exporters.all(is_linear_by_nature))
}

/// Turns a picture upside down.
fn flip(picture: &mut [u8], row: usize) {
    let half = picture.len() / row / 2 * row;
    let len = picture.len();
    let (upper, lower) = picture.split_at_mut(len - half);
    for (up, low) in upper.chunks_exact_mut(row).zip(lower.rchunks_exact_mut(row)) {
        up.swap_with_slice(low);
    }
}

fn unreadable(error: DmaBufError) -> Unreadable {
    Unreadable::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(name: &[u8; 4]) -> DrmFormat {
        DrmFormat::from_fourcc(u32::from_le_bytes(*name)).unwrap()
    }

    #[test]
    fn the_exact_fit_is_accepted_and_one_byte_less_is_not() {
        let rgb = |size| check_linear(format(b"XR24"), (10, 4), &[(64, 40, size)]);
        assert_eq!(rgb(224), Ok(()));
        assert_eq!(rgb(223), Err(PlaneError::Beyond { plane: 0, end: 224, size: 223 }));
        // 5x3: 3 rows of luma, 2 of 3 pairs.
        let nv12 = |size| check_linear(format(b"NV12"), (5, 3), &[(0, 5, 15), (15, 6, size)]);
        assert_eq!(nv12(27), Ok(()));
        assert_eq!(nv12(26), Err(PlaneError::Beyond { plane: 1, end: 27, size: 26 }));
    }

    #[test]
    fn every_bad_number_is_named() {
        let xr24 = |size, extents: &[Extent]| check_linear(format(b"XR24"), size, extents).unwrap_err();
        let all = (0, u32::MAX, u64::MAX);
        assert!(matches!(xr24((1, 1), &[all, all]), PlaneError::Count { wanted: 1, got: 2, .. }));
        assert_eq!(xr24((0, 1), &[all]), PlaneError::Empty(0, 1));
        assert_eq!(xr24((1, -1), &[all]), PlaneError::Empty(1, -1));
        assert!(matches!(xr24((i32::MAX, 1), &[all]), PlaneError::ShortStride { needed: 8_589_934_588, .. }));
        assert!(matches!(
            xr24((1, i32::MAX), &[(u32::MAX, u32::MAX, u64::MAX >> 8)]),
            PlaneError::Beyond { plane: 0, end: 9_223_372_030_412_324_864.., .. }
        ));
    }

    #[test]
    fn what_only_a_driver_understands_must_begin_within_its_memory() {
        let nv12 = u32::from_le_bytes(*b"NV12");
        assert_eq!(check_opaque(nv12, (1, 1), &[(0, 0, 1); 4]), Ok(()));
        assert!(matches!(check_opaque(nv12, (1, 1), &[(0, 0, 1)]), Err(PlaneError::Count { .. })));
        assert!(matches!(
            check_opaque(nv12, (1, 1), &[(0, 0, 1), (1, 0, 1)]),
            Err(PlaneError::Beyond { plane: 1, .. })
        ));
    }

    #[test]
    fn nobody_needs_to_say_that_plain_memory_is_linear() {
        assert!(is_linear(LINEAR, ["i915"].into_iter()));
        assert!(is_linear(IMPLICIT, ["udmabuf", "system"].into_iter()));
        assert!(!is_linear(IMPLICIT, ["udmabuf", "i915"].into_iter()));
        assert!(!is_linear(1, ["udmabuf"].into_iter()));
    }

    #[test]
    fn upside_down() {
        let mut three = [1, 1, 2, 2, 3, 3];
        flip(&mut three, 2);
        assert_eq!(three, [3, 3, 2, 2, 1, 1]);
        let mut two = [1, 2];
        flip(&mut two, 1);
        assert_eq!(two, [2, 1]);
    }
}
