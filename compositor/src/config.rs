//! What a compositor is asked to be.

use std::path::PathBuf;
use std::time::Duration;

use crate::buffer::Policies;
use crate::client::Limits;
use crate::geometry::Size;
use crate::scene::Color;

/// Where the picture goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendKind {
    /// The wayland backend if `WAYLAND_DISPLAY` names a live session, else headless.
    #[default]
    Auto,
    /// A window in another compositor.
    Wayland,
    /// Memory.
    Headless,
}

/// Whether a nested compositor makes dma-bufs of sealed pools (with udmabuf).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Import {
    /// For hosts whose GPU would rather have them.
    #[default]
    Auto,
    /// For every host that takes them.
    Always,
    /// Not at all.
    Never,
}

/// Where new windows appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// The first in the middle, later ones where they cover least.
    #[default]
    Floating,
    /// In the cells of a grid, row by row.
    Grid {
        /// Cells in a row.
        columns: u32,
        /// Rows.
        rows: u32,
    },
}

/// Everything that can be chosen about a compositor.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the picture goes.
    pub backend: BackendKind,
    /// The socket's name in `XDG_RUNTIME_DIR`; the first free `wayland-N` if not given.
    pub socket: Option<String>,
    /// The output's size in pixels.
    pub size: Size,
    /// Frames per second of the headless output; 0 is as fast as clients commit.
    pub refresh_hz: u32,
    /// What to do with memory that is not sealed.
    pub policies: Policies,
    /// What each client may have.
    pub limits: Limits,
    /// Take pictures in dma-bufs; `None` where this machine has a device that makes any.
    pub dmabuf: Option<bool>,
    /// Compose even what could be passed on.
    pub compose: bool,
    /// Make dma-bufs of sealed pools before they are passed on.
    pub import: Import,
    /// Write the output's last frame to this PNG.
    pub capture: Option<PathBuf>,
    /// Let every client take pictures of the output (`zwlr_screencopy_manager_v1`).
    pub screencopy: bool,
    /// Write every frame to this APNG.
    pub record: Option<PathBuf>,
    /// Of frames that follow each other sooner than this, record only the last: keeps a recording
    /// small. Zero records every frame.
    pub record_interval: Duration,
    /// End after that many frames that showed a client.
    pub frames: Option<u64>,
    /// Write the ledger to this file as JSON lines.
    pub report: Option<PathBuf>,
    /// Where new windows appear.
    pub placement: Placement,
    /// What shows behind the windows.
    pub background: Color,
    /// Have SIGINT and SIGTERM end it cleanly. They are blocked in the thread that starts it and in
    /// all that it starts, so the process must not have other threads yet: one of those would
    /// still be killed, and the process with it.
    pub stop_on_signals: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: BackendKind::Auto,
            socket: None,
            size: Size::new(1280, 720),
            refresh_hz: 60,
            policies: Policies::default(),
            limits: Limits::default(),
            dmabuf: None,
            compose: false,
            import: Import::Auto,
            capture: None,
            screencopy: false,
            record: None,
            record_interval: Duration::ZERO,
            frames: None,
            report: None,
            placement: Placement::Floating,
            background: Color { r: 0x20, g: 0x24, b: 0x2c },
            stop_on_signals: false,
        }
    }
}
