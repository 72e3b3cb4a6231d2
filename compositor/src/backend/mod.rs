//! From a scene to a screen. Each backend decides per element which path its memory takes.

mod headless;
pub(crate) mod wayland;

pub(crate) use headless::Headless;

use crate::RunError;
use crate::frame::Showing;
use crate::geometry::Region;
use crate::render::Drawn;
use crate::scene::Scene;

/// Where the picture goes.
pub(crate) enum Backend {
    /// Memory.
    Headless(Headless),
}

impl Backend {
    /// Where the picture goes, in words.
    pub fn describe(&self) -> String {
        match self {
            Backend::Headless(b) => b.describe(),
        }
    }

    /// Shows `scene`, which differs from the last one shown in `damage`.
    pub fn show(
        &mut self,
        scene: &Scene,
        damage: &Region,
        drawn: &mut Vec<Drawn>,
    ) -> Result<Showing, RunError> {
        match self {
            Backend::Headless(b) => b.show(scene, damage, drawn),
        }
    }

    /// A frame in which nothing differs: asks for the next beat of the clock.
    pub fn tick(&mut self) -> Result<Showing, RunError> {
        match self {
            Backend::Headless(_) => Ok(Showing::Now),
        }
    }

    /// Whether a frame can be shown at present.
    pub fn is_ready(&self) -> bool {
        match self {
            Backend::Headless(_) => true,
        }
    }

    /// The least time between two frames, in nanoseconds; 0 where the backend says itself when it
    /// is ready.
    pub fn pace_ns(&self) -> u32 {
        match self {
            Backend::Headless(b) => b.period_ns(),
        }
    }

    /// The clock of presentation times, a `clockid_t` (clock_gettime(2)).
    pub fn clock_id(&self) -> u32 {
        match self {
            Backend::Headless(_) => rustix::time::ClockId::Monotonic as u32,
        }
    }

    /// Calls `f` with the last frame: XRGB8888 rows without padding. `None` before the first.
    pub fn last_frame<R>(&self, f: impl FnOnce(&[u32]) -> R) -> Option<R> {
        match self {
            Backend::Headless(b) => b.last_frame().map(f),
        }
    }
}
