//! Surfaces: double-buffered state, subsurfaces, and what a commit makes of them. No I/O.

mod content;
mod held;
mod state;
mod tree;

pub use content::{Applied, ContentError};
pub use held::{From, States};
pub use state::{Attach, Current, Damage, Pending, Viewport, bounds, rects, to_output};
pub use tree::{Child, Commit, Role, Surface, SurfaceId, Surfaces, TreeError};
