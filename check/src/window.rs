//! A window, and frames in it.

use std::os::fd::AsFd;

use selkie_protocols::upstream::xdg::shell::client::{xdg_surface, xdg_toplevel, xdg_wm_base};
use wayland_client::protocol::{wl_buffer, wl_callback, wl_compositor, wl_shm, wl_shm_pool, wl_surface};

use crate::case::Stop;
use crate::client::Client;
use crate::memory;

/// The side of the window that cases show, in pixels, unless the size is the point.
pub const SIDE: i32 = 64;
/// Bytes of one buffer of that size.
pub const BYTES: i32 = SIDE * SIDE * 4;

/// A toplevel window that the compositor has configured, without a buffer yet.
#[derive(Debug)]
pub struct Window {
    /// Its surface.
    pub surface: wl_surface::WlSurface,
    /// Its xdg_surface, of which each configure is acknowledged as it comes.
    pub xdg_surface: xdg_surface::XdgSurface,
    /// Its toplevel.
    pub toplevel: xdg_toplevel::XdgToplevel,
}

impl Client {
    /// Makes an XRGB8888 buffer at the start of a pool, with rows that follow each other.
    pub fn buffer(&mut self, pool: &wl_shm_pool::WlShmPool, width: i32, height: i32) -> wl_buffer::WlBuffer {
        self.buffer_at(pool, (0, width, height, width.wrapping_mul(4)), wl_shm::Format::Xrgb8888)
    }

    /// Makes a buffer: `(offset, width, height, stride)`, any numbers, and any format.
    pub fn buffer_at(
        &mut self,
        pool: &wl_shm_pool::WlShmPool,
        (offset, width, height, stride): (i32, i32, i32, i32),
        format: wl_shm::Format,
    ) -> wl_buffer::WlBuffer {
        let buffer = pool.create_buffer(offset, width, height, stride, format, &self.qh(), ());
        self.note(buffer)
    }

    /// Makes a pool of an fd and a buffer of [`SIDE`] squared in it.
    ///
    /// # Errors
    ///
    /// As [`Client::bind`].
    pub fn square_of(&mut self, fd: impl AsFd) -> Result<wl_buffer::WlBuffer, Stop> {
        let shm: wl_shm::WlShm = self.bind(1)?;
        let pool = self.pool(&shm, fd, BYTES);
        Ok(self.buffer(&pool, SIDE, SIDE))
    }

    /// Makes a toplevel window, and waits for its first configure. Each is acknowledged as it comes.
    ///
    /// # Errors
    ///
    /// As [`Client::bind`] and [`Client::wait`].
    pub fn window(&mut self) -> Result<Window, Stop> {
        let compositor: wl_compositor::WlCompositor = self.bind(6)?;
        self.window_by(&compositor)
    }

    /// [`Client::window`] with a surface of that compositor's, and of its version.
    ///
    /// # Errors
    ///
    /// As [`Client::window`].
    pub fn window_by(&mut self, compositor: &wl_compositor::WlCompositor) -> Result<Window, Stop> {
        let qh = self.qh();
        let wm: xdg_wm_base::XdgWmBase = self.bind(6)?;
        let surface = self.note(compositor.create_surface(&qh, ()));
        let xdg_surface = self.note(wm.get_xdg_surface(&surface, &qh, ()));
        let toplevel = self.note(xdg_surface.get_toplevel(&qh, ()));
        toplevel.set_title("selkie check".to_owned());
        surface.commit();
        self.wait_for(&xdg_surface, 1)?;
        Ok(Window { surface, xdg_surface, toplevel })
    }

    /// Does what a compositor asks of a window that it has just placed, with another frame: some show it only then.
    ///
    /// # Errors
    ///
    /// As [`Client::present`].
    pub fn follow(&mut self, window: &Window, buffer: &wl_buffer::WlBuffer) -> Result<(), Stop> {
        for _ in 0..2 {
            self.roundtrip()?;
            self.present(&window.surface, buffer)?;
        }
        Ok(())
    }

    /// A window that is not only shown, but to be seen on the output, as far as anybody can look; with its buffer, which has
    /// one colour.
    ///
    /// # Errors
    ///
    /// As [`Client::shown_window`].
    pub fn visible_window(&mut self) -> Result<(Window, wl_buffer::WlBuffer), Stop> {
        let memory = memory::sealed(BYTES as u64)?;
        let buffer = self.square_of(&memory)?;
        let window = self.window()?;
        let mut grey = 0x10;
        // Each frame has a grey of its own: some go on showing a copy of the first one while they arrange their windows.
        self.must_see(|client| {
            grey = (grey + 1) % 0x80;
            let colour = 0xff00_0000 | (grey * 0x01_0101);
            memory::write_pixels(&memory, 0, &[colour; (SIDE * SIDE) as usize])?;
            client.follow(&window, &buffer)?;
            Ok(colour)
        })?;
        Ok((window, buffer))
    }

    /// Attaches a buffer, damages all, commits, and waits for the frame callback: then it has been on the screen.
    ///
    /// # Errors
    ///
    /// As [`Client::wait`].
    pub fn present(
        &mut self,
        surface: &wl_surface::WlSurface,
        buffer: &wl_buffer::WlBuffer,
    ) -> Result<(), Stop> {
        let frame = self.submit(surface, buffer);
        self.wait_for(&frame, 1)
    }

    /// [`Client::present`] without the waiting: gives the frame callback.
    pub fn submit(
        &mut self,
        surface: &wl_surface::WlSurface,
        buffer: &wl_buffer::WlBuffer,
    ) -> wl_callback::WlCallback {
        surface.attach(Some(buffer), 0, 0);
        surface.damage(0, 0, i32::MAX, i32::MAX);
        let frame = surface.frame(&self.qh(), ());
        let frame = self.note(frame);
        surface.commit();
        frame
    }

    /// Shows a window with an ordinary, sealed buffer, and gives it. The memory is filled with one grey.
    ///
    /// # Errors
    ///
    /// As [`Client::window`] and [`Client::present`].
    pub fn shown_window(&mut self) -> Result<(Window, wl_buffer::WlBuffer), Stop> {
        let memory = memory::sealed(BYTES as u64)?;
        memory::write_pixels(&memory, 0, &[0xff80_8080; (SIDE * SIDE) as usize])?;
        let buffer = self.square_of(&memory)?;
        let window = self.window()?;
        self.present(&window.surface, &buffer)?;
        Ok((window, buffer))
    }

    /// How often a buffer has been released so far.
    pub fn releases(&self, buffer: &wl_buffer::WlBuffer) -> usize {
        self.of(buffer).iter().filter(|event| matches!(event, wl_buffer::Event::Release)).count()
    }
}
