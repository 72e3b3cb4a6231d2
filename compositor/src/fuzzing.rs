//! For the fuzz targets in `fuzz/`: a compositor in the caller's thread, turned by hand, and the checks of
//! numbers that no other crate sees.
//!
//! There only with the feature `fuzzing`, and no part of the library's interface.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};

use crate::InputEvent;
use crate::buffer::fourcc::DrmFormat;
use crate::buffer::{Policy, check_linear, check_opaque};
use crate::client::{ClientState, Limits};
use crate::config::{BackendKind, Config};
use crate::geometry::Size;
use crate::run::{Compositor, StartError};
use crate::scene::ElementId;

/// A headless compositor without a socket, which shows a frame as soon as something changed.
pub struct ByHand {
    compositor: Compositor,
}

/// What a compositor holds for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// Connections.
    pub clients: usize,
    /// `wl_surface`s.
    pub surfaces: usize,
    /// `wl_region`s.
    pub regions: usize,
    /// What the shell keeps: windows, popups, grabs, pings.
    pub shell: usize,
    /// What the seat keeps: clients that have something of it.
    pub seat: usize,
    /// Commits that wait for fences.
    pub held: usize,
    /// Pictures that were asked for, and whom they were asked of.
    pub screencopy: usize,
    /// Surfaces in the picture.
    pub shown: usize,
}

/// A client's end of a connection.
pub struct Peer {
    /// Its socket.
    pub stream: UnixStream,
    /// What the compositor remembers.
    pub memory: Remembered,
}

/// What a compositor remembers of a client.
pub struct Remembered(Weak<ClientState>);

impl Remembered {
    /// Whether that is nothing: no connection, no object, no pool, no buffer.
    pub fn is_nothing(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl ByHand {
    /// A compositor with an output of `size` that allows each client as much as `limits` says. Takes dma-bufs, and
    /// lets pictures be taken.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn start(size: Size, limits: Limits) -> Result<Self, StartError> {
        let config = Config {
            backend: BackendKind::Headless,
            size,
            refresh_hz: 0,
            dmabuf: Some(true),
            screencopy: true,
            // The fds of the clients in this process would be taken for strays.
            limits: Limits { stray_fds: u64::MAX, ..limits },
            ..Config::default()
        };
        Ok(Self { compositor: Compositor::without_socket(config)? })
    }

    /// A new client under `policy`.
    ///
    /// # Errors
    ///
    /// What the system says where there can be no socket.
    pub fn connect(&mut self, policy: Policy) -> io::Result<Peer> {
        let (ours, theirs) = UnixStream::pair()?;
        let server = self.compositor.server();
        server.insert_client(theirs, Some("fuzz".into()), Some(policy))?;
        let state = server.connections.state(server.last_id).map(Arc::downgrade).unwrap_or_default();
        Ok(Peer { stream: ours, memory: Remembered(state) })
    }

    /// Deals with all that has happened, without waiting for more.
    pub fn turn(&mut self) {
        self.compositor.step();
    }

    /// Somebody does something with pointer or keyboard.
    pub fn input(&mut self, event: InputEvent) {
        self.compositor.server().input(event);
    }

    /// What it holds now.
    pub fn holdings(&mut self) -> Holdings {
        let server = self.compositor.server();
        let of_surface = |id: &ElementId| matches!(id, ElementId::Surface(_));
        Holdings {
            clients: server.connections.len(),
            surfaces: server.surfaces.len(),
            regions: server.regions.len(),
            shell: server.shell.holdings(),
            seat: server.seat.holdings(),
            held: server.held.len(),
            screencopy: server.screencopy.holdings(),
            shown: server.scene.elements.iter().filter(|e| of_surface(&e.id)).count(),
        }
    }
}

/// A plane of a dma-buf in numbers: offset, stride, and the dma-buf's size, in bytes.
pub type Extent = (u32, u32, u64);

/// The check of planes that are arranged linearly: `Ok`, or the refusal in words.
///
/// # Errors
///
/// The refusal.
pub fn linear_planes(format: DrmFormat, size: (i32, i32), planes: &[Extent]) -> Result<(), String> {
    check_linear(format, size, planes).map_err(|e| e.to_string())
}

/// The check of planes that only a driver understands.
///
/// # Errors
///
/// The refusal.
pub fn opaque_planes(fourcc: u32, size: (i32, i32), planes: &[Extent]) -> Result<(), String> {
    check_opaque(fourcc, size, planes).map_err(|e| e.to_string())
}
