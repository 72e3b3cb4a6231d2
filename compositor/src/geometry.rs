//! Points, sizes and rectangles, with arithmetic that cannot wrap.
//!
//! Coordinates come from clients, so every sum is done in 64 bits and clamped back: a rectangle at
//! `i32::MAX` is a rectangle far away, not a panic.

use wayland_server::protocol::wl_output;

/// A set of pixels, as a list of rectangles (the region of X11, as pixman implements it).
pub type Region = pixman::Region32;

/// A place, in pixels or in surface-local units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Point {
    /// Distance from the left edge.
    pub x: i32,
    /// Distance from the top edge.
    pub y: i32,
}

/// A width and a height; never negative in anything that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Size {
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

/// A rectangle: its top left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

/// A rectangle with fractional edges: what `wp_viewport.set_source` can name.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RectF {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// Clamps a 64-bit coordinate into 32 bits.
pub fn clamp(v: i64) -> i32 {
    v.clamp(i32::MIN as i64, i32::MAX as i64) as i32
}

impl Point {
    /// A point.
    pub const fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }

    /// This point moved by `by`, clamped.
    pub fn offset(self, by: Point) -> Point {
        Point::new(self.x.saturating_add(by.x), self.y.saturating_add(by.y))
    }

    /// The vector from `origin` to this point, clamped.
    pub fn relative_to(self, origin: Point) -> Point {
        Point::new(self.x.saturating_sub(origin.x), self.y.saturating_sub(origin.y))
    }
}

impl Size {
    /// A size.
    pub const fn new(w: i32, h: i32) -> Self {
        Self { w, h }
    }

    /// Whether it covers no pixel.
    pub fn is_empty(self) -> bool {
        self.w <= 0 || self.h <= 0
    }

    /// Width and height exchanged where the transform turns by a quarter.
    pub fn transformed(self, t: Transform) -> Size {
        if t.swaps_axes() { Size::new(self.h, self.w) } else { self }
    }
}

impl Rect {
    /// A rectangle.
    pub const fn new(x: i32, y: i32, w: i32, h: i32) -> Self {
        Self { x, y, w, h }
    }

    /// The rectangle of `size` at `at`.
    pub const fn at(at: Point, size: Size) -> Self {
        Self { x: at.x, y: at.y, w: size.w, h: size.h }
    }

    /// The rectangle of `size` at the origin.
    pub const fn of_size(size: Size) -> Self {
        Self { x: 0, y: 0, w: size.w, h: size.h }
    }

    /// The rectangle between four edges, clamped. It is empty if they are in the wrong order.
    ///
    /// No side can be longer than `i32::MAX`. What would be is cut at the left or the top, as far from the
    /// pixels of any surface or output as it gets.
    pub fn between(left: i64, top: i64, right: i64, bottom: i64) -> Self {
        let side = |start: i64, end: i64| {
            let (start, end) = (i64::from(clamp(start)), i64::from(clamp(end)));
            let start = start.max(end - i64::from(i32::MAX));
            (clamp(start), clamp((end - start).max(0)))
        };
        let ((x, w), (y, h)) = (side(left, right), side(top, bottom));
        Self { x, y, w, h }
    }

    /// Its top left corner.
    pub fn origin(self) -> Point {
        Point::new(self.x, self.y)
    }

    /// Its size.
    pub fn size(self) -> Size {
        Size::new(self.w, self.h)
    }

    /// The first column right of it, clamped.
    pub fn right(self) -> i32 {
        clamp(self.x as i64 + self.w as i64)
    }

    /// The first row below it, clamped.
    pub fn bottom(self) -> i32 {
        clamp(self.y as i64 + self.h as i64)
    }

    /// Whether it covers no pixel.
    pub fn is_empty(self) -> bool {
        self.size().is_empty()
    }

    /// Whether `p` lies in it.
    pub fn contains(self, p: Point) -> bool {
        p.x >= self.x && p.y >= self.y && p.x < self.right() && p.y < self.bottom()
    }

    /// This rectangle moved by `by`, clamped.
    pub fn offset(self, by: Point) -> Rect {
        Rect::at(self.origin().offset(by), self.size())
    }

    /// This rectangle with every edge moved outwards by `by`, clamped.
    pub fn grown(self, by: i32) -> Rect {
        let by = i64::from(by);
        let (right, bottom) = (self.x as i64 + self.w as i64, self.y as i64 + self.h as i64);
        Rect::between(self.x as i64 - by, self.y as i64 - by, right + by, bottom + by)
    }

    /// What both cover; empty if they do not touch.
    pub fn intersect(self, other: Rect) -> Rect {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (r, b) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        Rect::new(x, y, clamp((r as i64 - x as i64).max(0)), clamp((b as i64 - y as i64).max(0)))
    }

    /// The same pixels as a region. Empty rectangles give an empty region.
    pub fn to_region(self) -> Region {
        if self.is_empty() {
            return Region::default();
        }
        // The extent is computed from clamped edges: pixman would refuse one that wraps.
        let (w, h) = (self.right() as i64 - self.x as i64, self.bottom() as i64 - self.y as i64);
        Region::init_rect(self.x, self.y, w as u32, h as u32)
    }
}

impl From<&pixman::Box32> for Rect {
    fn from(b: &pixman::Box32) -> Self {
        Rect::between(b.x1.into(), b.y1.into(), b.x2.into(), b.y2.into())
    }
}

/// The smallest rectangle around `region`; empty if that is.
pub fn extents(region: &Region) -> Rect {
    let boxes = region.rectangles();
    let all = boxes.iter().copied().reduce(|a, b| pixman::Box32 {
        x1: a.x1.min(b.x1),
        y1: a.y1.min(b.y1),
        x2: a.x2.max(b.x2),
        y2: a.y2.max(b.y2),
    });
    all.as_ref().map(Rect::from).unwrap_or_default()
}

/// One of the eight ways a buffer can be turned and mirrored (`wl_output.transform`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Transform {
    /// As it is.
    #[default]
    Normal,
    /// 90 degrees counter-clockwise.
    Rotated90,
    /// 180 degrees.
    Rotated180,
    /// 270 degrees counter-clockwise.
    Rotated270,
    /// Mirrored around the vertical axis.
    Flipped,
    /// Mirrored, then 90 degrees counter-clockwise.
    Flipped90,
    /// Mirrored, then 180 degrees.
    Flipped180,
    /// Mirrored, then 270 degrees counter-clockwise.
    Flipped270,
}

impl Transform {
    /// All of them, in the order of their numbers in wayland.xml.
    pub const ALL: [Transform; 8] = [
        Transform::Normal,
        Transform::Rotated90,
        Transform::Rotated180,
        Transform::Rotated270,
        Transform::Flipped,
        Transform::Flipped90,
        Transform::Flipped180,
        Transform::Flipped270,
    ];

    /// The transform of that number in wayland.xml; `None` for a number that has no meaning.
    pub fn from_wire(t: wl_output::Transform) -> Option<Self> {
        Self::ALL.get(t as usize).copied()
    }

    /// Whether width and height change places.
    pub fn swaps_axes(self) -> bool {
        matches!(self, Self::Rotated90 | Self::Rotated270 | Self::Flipped90 | Self::Flipped270)
    }

    /// Where the surface point (`x`, `y`) of a surface of size `w` by `h` lies in the buffer whose
    /// contents were transformed by `self` (`wl_surface.set_buffer_transform`).
    ///
    /// The result is in the buffer's pixels divided by its scale; edges map to edges.
    pub fn surface_to_buffer(self, x: f64, y: f64, w: f64, h: f64) -> (f64, f64) {
        match self {
            Self::Normal => (x, y),
            Self::Rotated90 => (y, w - x),
            Self::Rotated180 => (w - x, h - y),
            Self::Rotated270 => (h - y, x),
            Self::Flipped => (w - x, y),
            Self::Flipped90 => (y, x),
            Self::Flipped180 => (x, h - y),
            Self::Flipped270 => (h - y, w - x),
        }
    }

    /// The rectangle of the buffer that shows as `r` in a surface of `surface` (before scaling).
    pub fn rect_to_buffer(self, r: RectF, surface: (f64, f64)) -> RectF {
        let (w, h) = surface;
        let (x1, y1) = self.surface_to_buffer(r.x, r.y, w, h);
        let (x2, y2) = self.surface_to_buffer(r.x + r.w, r.y + r.h, w, h);
        RectF { x: x1.min(x2), y: y1.min(y2), w: (x2 - x1).abs(), h: (y2 - y1).abs() }
    }

    /// The rectangle of the surface that shows the rectangle `r` of a buffer of `buffer` pixels
    /// (before scaling): the inverse of [`Transform::rect_to_buffer`].
    pub fn rect_from_buffer(self, r: RectF, buffer: (f64, f64)) -> RectF {
        self.inverse().rect_to_buffer(r, buffer)
    }

    /// The transform that undoes this one.
    pub fn inverse(self) -> Self {
        match self {
            Self::Rotated90 => Self::Rotated270,
            Self::Rotated270 => Self::Rotated90,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_rectangles_do_not_wrap() {
        let r = Rect::new(i32::MAX - 1, i32::MIN, i32::MAX, i32::MAX);
        assert_eq!(r.right(), i32::MAX);
        assert_eq!(r.bottom(), -1);
        assert!(r.intersect(Rect::new(0, 0, 10, 10)).is_empty());
        assert!(!r.to_region().rectangles().is_empty());
    }

    #[test]
    fn what_is_too_wide_is_cut_where_there_are_no_pixels() {
        let world = Rect::between(i32::MIN.into(), -7, i32::MAX.into(), 5);
        assert_eq!(world, Rect::new(0, -7, i32::MAX, 12));
        assert_eq!(Rect::between(5, 5, 4, 5).size(), Size::default());
        // Everything around it stays within it.
        let grown = Rect::new(10, 20, 30, 40).grown(i32::MAX);
        assert_eq!(grown.intersect(Rect::new(0, 0, 100, 100)), Rect::new(0, 0, 100, 100));
    }

    #[test]
    fn every_transform_is_undone_by_its_inverse() {
        let r = RectF { x: 1.0, y: 2.0, w: 3.0, h: 5.0 };
        for t in Transform::ALL {
            let surface = (20.0, 30.0);
            let buffer = if t.swaps_axes() { (30.0, 20.0) } else { surface };
            let there = t.rect_to_buffer(r, surface);
            assert_eq!(t.rect_from_buffer(there, buffer), r, "{t:?}");
        }
    }

    /// wayland.xml: 90 is "90 degrees counter-clockwise", so the buffer of a client that asked for
    /// it holds the surface turned that way: the surface's top left is at the buffer's bottom left.
    #[test]
    fn corners_go_where_the_protocol_says() {
        let corner = |t: Transform| t.surface_to_buffer(0.0, 0.0, 4.0, 2.0);
        assert_eq!(corner(Transform::Rotated90), (0.0, 4.0));
        assert_eq!(corner(Transform::Rotated180), (4.0, 2.0));
        assert_eq!(corner(Transform::Rotated270), (2.0, 0.0));
        assert_eq!(corner(Transform::Flipped), (4.0, 0.0));
        assert_eq!(corner(Transform::Flipped270), (2.0, 4.0));
    }
}
