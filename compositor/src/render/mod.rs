//! From a scene to pixels, for the elements that no backend could pass on as they are.

pub mod pixman;

pub use self::pixman::PixmanRenderer;

use crate::geometry::Region;
use crate::scene::{ElementId, View};

/// Draws scenes into memory.
pub trait Renderer {
    /// Draws what `view` shows within `damage` into `target`, whose other pixels stay as they are.
    /// A view without background leaves the rest of `damage` transparent.
    ///
    /// What was read of each element is appended to `drawn`, which the caller empties and reuses.
    fn render(&mut self, view: View<'_>, target: &mut Target, damage: &Region, drawn: &mut Vec<Drawn>);
}

/// Memory to draw into: XRGB8888, or ARGB8888 (premultiplied) for a view without background; the
/// compositor's own, which a host may be reading.
pub struct Target {
    /// The first pixel; must stay valid and unaliased by Rust references while drawing.
    pub ptr: *mut u8,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Width and height in pixels.
    pub size: crate::geometry::Size,
}

/// What drawing one element came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// The element.
    pub id: ElementId,
    /// Bytes of its memory that were read.
    pub bytes: u64,
    /// Whether a fault was caught: its client took the memory away.
    pub fault: bool,
}
