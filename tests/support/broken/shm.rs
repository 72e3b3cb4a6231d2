//! wl_shm: pools and buffers. Honest, it checks every number and reads by pread(2), which cannot fault.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::SealFlags;
use shm_core::dmabuf::DmaBuf;
use wayland_server::backend::protocol::ProtocolError;
use wayland_server::protocol::{wl_buffer, wl_shm, wl_shm_pool};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum};

use super::pages::Mapping;
use super::{Handle, State, held, sockets};

/// A pool: its file and the size that the client claims.
pub struct Pool {
    fd: OwnedFd,
    size: Mutex<i32>,
    /// For the careless, who read through it.
    mapping: Mutex<Option<Mapping>>,
    /// What it was at first.
    seals: SealFlags,
    /// Whether its wl_shm_pool is gone.
    orphaned: AtomicBool,
}

impl Pool {
    /// Whether its memory is, at a commit, what a compositor with a fault believes it must be.
    pub fn is_as_believed(&self, state: &State) -> bool {
        let size = i64::from(*self.size.lock().unwrap());
        let changed = seals(&self.fd) != self.seals;
        assert!(!changed || !state.has("dies-of-changed-seals"), "the seals have changed");
        !(state.has("refuses-changed-seals") && changed
            || state.has("wants-exact-size") && file_size(&self.fd) != size
            || state.has("refuses-holes") && has_holes(&self.fd, size))
    }
}

/// A buffer in a pool.
pub struct Buffer {
    pool: Arc<Pool>,
    offset: i32,
    pub width: i32,
    pub height: i32,
    stride: i32,
    /// Whether it is in a pool, and not in a dma-buf, or what was taken for one.
    is_pool: bool,
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_shm::WlShm, ()>(1, ());
}

fn file_size(fd: &OwnedFd) -> i64 {
    rustix::fs::fstat(fd).map_or(0, |stat| stat.st_size)
}

fn seals(fd: &OwnedFd) -> SealFlags {
    rustix::fs::fcntl_get_seals(fd).unwrap_or(SealFlags::empty())
}

fn has_holes(fd: &OwnedFd, size: i64) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_blocks * 512 < size)
}

fn is_hugetlb(fd: &OwnedFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|stat| stat.f_type == 0x9584_58f6)
}

impl Buffer {
    /// One in a dma-buf, or in whatever is taken for one.
    pub fn of_dmabuf(fd: OwnedFd, (offset, width, height, stride): (u32, i32, i32, u32)) -> Buffer {
        let (size, mapping, seals) = (Mutex::new(i32::MAX), Mutex::new(None), seals(&fd));
        let pool = Arc::new(Pool { fd, size, mapping, seals, orphaned: AtomicBool::new(false) });
        Buffer { pool, offset: offset as i32, width, height, stride: stride as i32, is_pool: false }
    }

    /// The dma-buf that it is in.
    pub fn dmabuf(&self) -> Option<DmaBuf> {
        if self.is_pool {
            return None;
        }
        // One fd each is enough of those that are never shown.
        DmaBuf::new(self.pool.fd.try_clone().ok()?).ok()
    }

    /// Its pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Its pixels, as far as there are any.
    pub fn read(&self, state: &State) -> Vec<u32> {
        let (width, height) = (self.width.max(0) as usize, self.height.max(0) as usize);
        if state.has("reads-unguarded") {
            let len = self.stride.max(0) as usize * height;
            let mapping = self.pool.mapping.lock().unwrap();
            mapping.as_ref().map(|mapping| mapping.sum(self.offset.max(0) as usize, len));
        }
        let orphaned = self.pool.orphaned.load(Ordering::Relaxed);
        assert!(!orphaned || !state.has("unmaps-with-pool"), "nothing is mapped here");
        let offset = if state.has("ignores-offset") { 0 } else { self.offset };
        let stride = if state.has("ignores-stride") { self.width.wrapping_mul(4) } else { self.stride };
        let mut pixels = Vec::new();
        if width.max(height) > 1 << 18 || width * height > 1 << 22 {
            return pixels;
        }
        let mut row = vec![0_u8; width * 4];
        let mapped = self.dmabuf().and_then(|dmabuf| held::map(state, &dmabuf));
        for y in 0..height {
            let at = (i64::from(offset) + y as i64 * i64::from(stride)).max(0) as u64;
            row.fill(0);
            match &mapped {
                Some(mapped) => mapped.read(at as usize, &mut row),
                None => drop(rustix::io::pread(&self.pool.fd, &mut row, at)),
            }
            pixels.extend(row.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], p[3]])));
        }
        pixels
    }

    /// Leaves an fd of its memory behind.
    pub fn forget_fd(&self) {
        std::mem::forget(self.pool.fd.try_clone());
    }

    /// Writes pixels into it, row by row; whether all went in.
    pub fn write(&self, state: &State, pixels: &[u32]) -> bool {
        let mut bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
        if state.has("copies-unguarded") {
            let mapping = self.pool.mapping.lock().unwrap();
            mapping.as_ref().inspect(|mapping| mapping.fill(self.offset.max(0) as usize, bytes.len()));
        }
        let (width, stride) = (self.width.max(1) as usize * 4, i64::from(self.stride));
        if state.has("copies-a-row-too-many") {
            bytes.extend(vec![0; width]);
        }
        let fits = i64::from(self.offset) + stride * i64::from(self.height) <= file_size(&self.pool.fd);
        let rows = (0..).zip(bytes.chunks_exact(width));
        fits && rows.into_iter().all(|(y, row)| {
            let at = i64::from(self.offset) + y * stride;
            rustix::io::pwrite(&self.pool.fd, row, at.max(0) as u64).is_ok()
        })
    }
}

impl GlobalDispatch<wl_shm::WlShm, ()> for State {
    fn bind(
        state: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_shm::WlShm>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        state.record();
        let shm = init.init(new, ());
        shm.format(wl_shm::Format::Argb8888);
        if !state.has("offers-argb-only") {
            shm.format(wl_shm::Format::Xrgb8888);
        }
    }
}

/// `wl_display.error.no_memory`.
fn no_memory() -> ProtocolError {
    let message = "too many pools".to_owned();
    ProtocolError { code: 2, object_id: 1, object_interface: "wl_display".into(), message }
}

impl Dispatch<wl_shm::WlShm, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        shm: &wl_shm::WlShm,
        request: wl_shm::Request,
        (): &(),
        handle: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let wl_shm::Request::CreatePool { id, fd, size } = request else { return };
        assert!(!state.has("rounds-sizes-up") || size.checked_add(4095).is_some(), "overflow");
        if size <= 0 && !state.has("takes-any-pool-size") {
            return shm.post_error(wl_shm::Error::InvalidStride, format!("invalid size {size}"));
        }
        let seals = seals(&fd);
        if (!seals.contains(SealFlags::SHRINK) || is_hugetlb(&fd)) && state.has("wrong-code") {
            return shm.post_error(wl_shm::Error::InvalidFormat, "no such memory, please");
        }
        // Its pages can go whatever its seals are; and its mappings have a granularity of their own.
        if !seals.is_empty() && is_hugetlb(&fd) && !state.has("reads-unguarded") {
            return shm.post_error(wl_shm::Error::InvalidFd, "no huge pages, please");
        }
        let others = state.has("wants-exact-seals") && seals != SealFlags::SEAL | SealFlags::SHRINK;
        if others && seals.contains(SealFlags::SHRINK) {
            return shm.post_error(wl_shm::Error::InvalidFd, "not sealed as it should be");
        }
        if size > 1 << 30 && state.has("wants-small-pools") {
            return shm.post_error(wl_shm::Error::InvalidStride, "so much");
        }
        if seals.contains(SealFlags::SEAL | SealFlags::SHRINK) && state.has("refuses-sealed") {
            return shm.post_error(wl_shm::Error::InvalidFd, "no sealed memory, please");
        }
        let trusting = state.has("takes-any-file") || state.has("asks-any-file");
        if rustix::fs::fcntl_get_seals(&fd).is_err() && !trusting {
            // Not even to be asked for its size: its owner may never answer, and closing it asks, too.
            std::thread::spawn(move || drop(fd));
            return shm.post_error(wl_shm::Error::InvalidFd, "no memory of the kernel's own");
        }
        if file_size(&fd) < i64::from(size) && !state.has("takes-any-file") {
            return shm.post_error(wl_shm::Error::InvalidFd, "the file is shorter than claimed");
        }
        let odd = (size % 4096 != 0 && state.has("wants-whole-pages"))
            || (file_size(&fd) != i64::from(size) && state.has("wants-exact-size"))
            || (has_holes(&fd, size.into()) && state.has("refuses-holes"));
        if odd {
            return shm.post_error(wl_shm::Error::InvalidFd, "odd memory");
        }
        let mapping = Mapping::new(&fd, size.max(1) as usize, state.has("maps-for-writing"));
        if mapping.is_none() {
            assert!(!state.has("dies-of-unmappable"), "mmap failed");
            if !state.has("takes-any-file") {
                return shm.post_error(wl_shm::Error::InvalidFd, "it cannot be mapped");
            }
        }
        let inode = rustix::fs::fstat(&fd).map_or(0, |stat| stat.st_ino);
        if !state.files.insert(inode) && state.has("one-pool-per-file") {
            return shm.post_error(wl_shm::Error::InvalidFd, "there is a pool of that file already");
        }
        if state.has("keeps-pool-fds") {
            std::mem::forget(fd.try_clone());
        }
        if !sockets::may_have_another_pool(client) {
            return client.kill(handle, no_memory());
        }
        let (size, mapping) = (Mutex::new(size), Mutex::new(mapping));
        init.init(id, Arc::new(Pool { fd, size, orphaned: AtomicBool::new(false), mapping, seals }));
    }
}

impl Dispatch<wl_shm_pool::WlShmPool, Arc<Pool>> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        resource: &wl_shm_pool::WlShmPool,
        request: wl_shm_pool::Request,
        pool: &Arc<Pool>,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_shm_pool::Request::CreateBuffer { id, offset, width, height, stride, format } => {
                let mut size = i64::from(*pool.size.lock().unwrap());
                if state.has("takes-the-file-for-the-pool") {
                    size = size.max(file_size(&pool.fd));
                }
                let (w, h, s) = (i64::from(width), i64::from(height), i64::from(stride));
                let fits = offset >= 0 && w > 0 && h > 0 && s >= w * 4 && i64::from(offset) + s * h <= size;
                assert!(fits || !state.has("asserts-layouts"), "the buffer does not fit");
                let odd = stride % 4 != 0 || offset % 4 != 0;
                assert!(!odd || !state.has("asserts-alignment"), "pixels at odd places");
                let large = w.max(h) > 32767 || s > 1 << 20;
                assert!(!large || !state.has("asserts-16-bits"), "coordinates have 16 bits");
                let fits = fits && !(state.has("wants-a-byte-more") && i64::from(offset) + s * h == size);
                if !fits && !state.has("takes-any-layout") {
                    return resource.post_error(wl_shm::Error::InvalidStride, "the buffer does not fit");
                }
                let known = [wl_shm::Format::Argb8888, wl_shm::Format::Xrgb8888];
                let offered = matches!(format, WEnum::Value(format) if known.contains(&format));
                if !offered && !state.has("takes-any-format") {
                    return resource.post_error(wl_shm::Error::InvalidFormat, "format not offered");
                }
                state.record();
                let pool = pool.clone();
                init.init(id, Buffer { pool, offset, width, height, stride, is_pool: true });
            }
            wl_shm_pool::Request::Resize { size } => {
                let mut known = pool.size.lock().unwrap();
                if state.has("ignores-resize") {
                    return;
                }
                assert!(size >= *known || !state.has("dies-of-shrinking-pools"), "a pool shrinks");
                if size <= *known && state.has("wants-growth") {
                    return resource.post_error(wl_shm::Error::InvalidFd, "the pool does not grow");
                }
                if size < *known && !state.has("takes-any-resize") {
                    return resource.post_error(wl_shm::Error::InvalidFd, "a pool cannot shrink");
                }
                let short = file_size(&pool.fd) < i64::from(size);
                if short && !state.has("takes-any-resize") && !state.has("takes-any-file") {
                    return resource.post_error(wl_shm::Error::InvalidFd, "the file is shorter than claimed");
                }
                *known = size;
                let mut mapping = pool.mapping.lock().unwrap();
                if state.has("keeps-pointers") {
                    mapping.as_ref().inspect(|mapping| mapping.poison());
                    return;
                }
                *mapping = Mapping::new(&pool.fd, size.max(1) as usize, state.has("maps-for-writing"));
                assert!(mapping.is_some() || !state.has("dies-of-unmappable"), "mmap failed");
            }
            wl_shm_pool::Request::Destroy => pool.orphaned.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Dispatch<wl_buffer::WlBuffer, Buffer> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wl_buffer::WlBuffer,
        _: wl_buffer::Request,
        _: &Buffer,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

/// What is known of a buffer, if it is one of these.
pub fn of(buffer: &wl_buffer::WlBuffer) -> Option<&Buffer> {
    buffer.data()
}
