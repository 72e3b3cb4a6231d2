//! wl_shm: pools and buffers. Honest, it checks every number and reads by pread(2), which cannot fault.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use rustix::fs::SealFlags;
use wayland_server::protocol::{wl_buffer, wl_shm, wl_shm_pool};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum};

use super::{Handle, State, pages};

/// A pool: its file and the size that the client claims.
pub struct Pool {
    fd: OwnedFd,
    size: Mutex<i32>,
}

/// A buffer in a pool.
pub struct Buffer {
    pool: Arc<Pool>,
    offset: i32,
    pub width: i32,
    pub height: i32,
    stride: i32,
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, wl_shm::WlShm, ()>(1, ());
}

fn file_size(fd: &OwnedFd) -> i64 {
    rustix::fs::fstat(fd).map_or(0, |stat| stat.st_size)
}

impl Buffer {
    /// Its pixels, as far as there are any.
    pub fn read(&self, state: &State) -> Vec<u32> {
        let (width, height) = (self.width.max(0) as usize, self.height.max(0) as usize);
        if state.has("reads-unguarded") {
            pages::sum(&self.pool.fd, self.offset.max(0) as u64, self.stride.max(0) as usize * height);
        }
        let mut pixels = Vec::new();
        let mut row = vec![0_u8; width * 4];
        for y in 0..height {
            let at = i64::from(self.offset) + y as i64 * i64::from(self.stride);
            row.fill(0);
            let _ = rustix::io::pread(&self.pool.fd, &mut row, at.max(0) as u64);
            pixels.extend(row.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], p[3]])));
        }
        pixels
    }
}

impl GlobalDispatch<wl_shm::WlShm, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<wl_shm::WlShm>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let shm = init.init(new, ());
        shm.format(wl_shm::Format::Argb8888);
        shm.format(wl_shm::Format::Xrgb8888);
    }
}

impl Dispatch<wl_shm::WlShm, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        shm: &wl_shm::WlShm,
        request: wl_shm::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let wl_shm::Request::CreatePool { id, fd, size } = request else { return };
        if size <= 0 && !state.has("takes-any-pool-size") {
            return shm.post_error(wl_shm::Error::InvalidStride, format!("invalid size {size}"));
        }
        let seals = rustix::fs::fcntl_get_seals(&fd).unwrap_or(SealFlags::empty());
        if seals.contains(SealFlags::SEAL | SealFlags::SHRINK) && state.has("refuses-sealed") {
            return shm.post_error(wl_shm::Error::InvalidFd, "no sealed memory, please");
        }
        if file_size(&fd) < i64::from(size) && !state.has("takes-any-file") {
            return shm.post_error(wl_shm::Error::InvalidFd, "the file is shorter than claimed");
        }
        init.init(id, Arc::new(Pool { fd, size: Mutex::new(size) }));
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
                let size = i64::from(*pool.size.lock().unwrap());
                let (w, h, s) = (i64::from(width), i64::from(height), i64::from(stride));
                let fits = offset >= 0 && w > 0 && h > 0 && s >= w * 4 && i64::from(offset) + s * h <= size;
                if !fits && !state.has("takes-any-layout") {
                    return resource.post_error(wl_shm::Error::InvalidStride, "the buffer does not fit");
                }
                let known = [wl_shm::Format::Argb8888, wl_shm::Format::Xrgb8888];
                let offered = matches!(format, WEnum::Value(format) if known.contains(&format));
                if !offered && !state.has("takes-any-format") {
                    return resource.post_error(wl_shm::Error::InvalidFormat, "format not offered");
                }
                init.init(id, Buffer { pool: pool.clone(), offset, width, height, stride });
            }
            wl_shm_pool::Request::Resize { size } => {
                let mut known = pool.size.lock().unwrap();
                if size < *known && !state.has("takes-any-resize") {
                    return resource.post_error(wl_shm::Error::InvalidFd, "a pool cannot shrink");
                }
                let short = file_size(&pool.fd) < i64::from(size);
                if short && !state.has("takes-any-resize") && !state.has("takes-any-file") {
                    return resource.post_error(wl_shm::Error::InvalidFd, "the file is shorter than claimed");
                }
                *known = size;
            }
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
