//! From a scene to a screen. Each backend decides per element which path its memory takes.

mod headless;
mod host_input;
mod nested;
mod placement;
pub(crate) mod wayland;

pub(crate) use headless::Headless;
pub(crate) use nested::Nested;

use host_input::Scroll;

use wayland::{Host, NotImported};

use crate::RunError;
use crate::buffer::{Buffer, Path};
use crate::frame::Showing;
use crate::geometry::Region;
use crate::render::Drawn;
use crate::scene::Scene;

/// What a backend did with a scene.
#[derive(Default)]
pub(crate) struct Shown {
    /// What became of each element, in the scene's order.
    pub ways: Vec<Way>,
    /// What drawing took.
    pub drawn: Vec<Drawn>,
    /// Pools, by their numbers, of which it turned out that they will not be imported, and why.
    pub not_imported: Vec<(u64, NotImported)>,
}

/// Whether a dma-buf that the CPU cannot read can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Yes.
    Taken,
    /// No.
    Refused,
    /// Somebody was asked, and will say.
    Asked,
}

/// How an element got to the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The path that its memory took.
    pub path: Path,
    /// The backend's number of the frame that will turn to light; 0 if nothing about the element differs from the last.
    pub frame: u64,
}

impl Shown {
    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        self.ways.clear();
        self.drawn.clear();
        self.not_imported.clear();
    }
}

/// Where the picture goes.
pub(crate) enum Backend {
    /// Memory.
    Headless(Headless),
    /// A window in another compositor.
    Wayland(Box<Nested>),
}

impl Backend {
    /// Where the picture goes, in words.
    pub fn describe(&self) -> String {
        match self {
            Backend::Headless(b) => b.describe(),
            Backend::Wayland(b) => b.describe(),
        }
    }

    /// Shows `scene`, which looks different from the last one shown in `damage`; `shown`, which is empty, gets what was
    /// done with each element.
    pub fn show(&mut self, scene: &Scene, damage: &Region, shown: &mut Shown) -> Result<Showing, RunError> {
        match self {
            Backend::Headless(b) => Ok(b.show(scene, damage, shown)),
            Backend::Wayland(b) => b.show(scene, shown),
        }
    }

    /// Whether a buffer in dma-bufs can be passed on as it is.
    pub fn try_dmabuf(&self, buffer: &Buffer) -> Answer {
        match self {
            Backend::Headless(_) => Answer::Refused,
            Backend::Wayland(b) => b.try_dmabuf(buffer),
        }
    }

    /// Whether a frame can be shown at present.
    pub fn is_ready(&self) -> bool {
        match self {
            Backend::Headless(_) => true,
            Backend::Wayland(b) => b.host.is_ready(),
        }
    }

    /// The least time between two frames, in nanoseconds; 0 where the backend says itself when it
    /// is ready.
    pub fn pace_ns(&self) -> u32 {
        match self {
            Backend::Headless(b) => b.period_ns(),
            Backend::Wayland(_) => 0,
        }
    }

    /// The clock of presentation times, a `clockid_t` (clock_gettime(2)).
    pub fn clock_id(&self) -> u32 {
        match self {
            Backend::Headless(_) => rustix::time::ClockId::Monotonic as u32,
            Backend::Wayland(b) => b.host.clock_id().unwrap_or(rustix::time::ClockId::Monotonic as u32),
        }
    }

    /// Whether it tells when each frame turned to light, other than at once.
    pub fn has_presentation(&self) -> bool {
        match self {
            Backend::Headless(_) => false,
            Backend::Wayland(b) => b.host.has_presentation(),
        }
    }

    /// The host of a nested compositor.
    pub fn host(&mut self) -> Option<&mut Host> {
        match self {
            Backend::Headless(_) => None,
            Backend::Wayland(b) => Some(&mut b.host),
        }
    }

    /// Scrolling that a host has told in parts.
    fn scroll(&mut self) -> Option<&mut Scroll> {
        match self {
            Backend::Headless(_) => None,
            Backend::Wayland(b) => Some(&mut b.scroll),
        }
    }

    /// Sends what is buffered, before the loop sleeps.
    pub fn flush(&mut self) {
        if let Some(host) = self.host() {
            host.flush();
        }
    }

    /// Calls `f` with a picture of `scene`, which is what the last frame showed if `as_shown`: XRGB8888 rows without
    /// padding. What was read is appended to `drawn`. `None` before the first frame.
    pub fn picture<R>(
        &mut self,
        scene: &Scene,
        as_shown: bool,
        drawn: &mut Vec<Drawn>,
        f: impl FnOnce(&[u32]) -> R,
    ) -> Option<R> {
        match self {
            Backend::Headless(b) if as_shown => b.last_frame().map(f),
            Backend::Headless(b) => b.compose(scene, drawn).map(|picture| f(&picture)),
            Backend::Wayland(b) => b.compose(scene, drawn).map(f),
        }
    }

    /// Calls `f` with the last frame, which showed `scene`: XRGB8888 rows without padding. `None` before the first.
    pub fn last_frame<R>(&mut self, scene: &Scene, f: impl FnOnce(&[u32]) -> R) -> Option<R> {
        match self {
            Backend::Headless(b) => b.last_frame().map(f),
            Backend::Wayland(b) => b.compose(scene, &mut Vec::new()).map(f),
        }
    }
}
