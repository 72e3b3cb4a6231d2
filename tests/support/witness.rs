//! A client that minds its own business while another one misbehaves: if it is served, and shows a
//! frame, nobody but the other was harmed.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::SealFlags;
use wayland_client::protocol::{wl_buffer, wl_shm, wl_surface};

use super::raw::{Raw, memfd};

/// The client. Its pool stays, and its window, where windows are offered, shows one frame after the
/// other.
pub struct Witness {
    raw: Raw,
    window: Option<wl_surface::WlSurface>,
    buffers: [wl_buffer::WlBuffer; 2],
    frames: usize,
    _memory: OwnedFd,
}

impl Witness {
    /// Connects and shows a first frame.
    ///
    /// # Panics
    /// If that fails.
    pub fn new(socket: &Path) -> Self {
        let mut raw = Raw::connect(socket);
        let shm: wl_shm::WlShm = raw.bind(1);
        let memory = memfd(2 * 4096, Some(SealFlags::SHRINK | SealFlags::SEAL));
        let pool = raw.pool(&shm, memory.as_fd(), 2 * 4096);
        let buffers = [raw.buffer(&pool, 32, 32), raw.buffer(&pool, 32, 32)];
        let windows = raw.offered("xdg_wm_base").is_some();
        let window = windows.then(|| raw.window().unwrap().surface);
        let mut witness = Self { raw, window, buffers, frames: 0, _memory: memory };
        witness.goes_on();
        witness
    }

    /// It is answered, and its next frame is shown.
    ///
    /// # Panics
    /// If not.
    pub fn goes_on(&mut self) {
        self.raw.roundtrip().expect("the bystander's connection stays");
        if let Some(window) = &self.window {
            let buffer = &self.buffers[self.frames % 2];
            self.raw.present(window, buffer).expect("the bystander's frame is shown");
            self.frames += 1;
        }
        self.raw.events.log.clear();
    }
}
