//! Where a popup goes: the rules of `xdg_positioner`, worked out for each axis by itself.
//!
//! All sums are done in 64 bits: the numbers are a client's.

use crate::geometry::{Point, Rect, Size, clamp};

/// An edge or a corner: -1 is left or top, 1 is right or bottom, 0 is the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sides {
    pub x: i8,
    pub y: i8,
}

/// The rules of an `xdg_positioner`; pairs are for the x and the y axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Positioner {
    /// The popup's size.
    pub size: Size,
    /// What it is placed at, relative to the parent's window geometry.
    pub anchor_rect: Rect,
    /// Which point of that.
    pub anchor: Sides,
    /// Which way from that point.
    pub gravity: Sides,
    /// How far from that point.
    pub offset: Point,
    /// To the other side if it does not fit.
    pub flip: (bool, bool),
    /// Along the axis until it fits.
    pub slide: (bool, bool),
    /// Smaller until it fits.
    pub resize: (bool, bool),
    /// Again whenever the parent moves.
    pub reactive: bool,
}

impl Positioner {
    /// Whether it has everything that placing needs.
    pub fn is_complete(&self) -> bool {
        !self.size.is_empty() && (self.anchor_rect.w > 0 || self.anchor_rect.h > 0)
    }

    /// Places the popup so that it lies in `bounds`, as far as the rules allow. Both are relative to
    /// the parent's window geometry.
    pub fn place(&self, bounds: Rect) -> Rect {
        let axis = |start, len, anchor, gravity, size, offset, flip, slide, resize| Axis {
            start: i64::from(start),
            len: i64::from(len),
            anchor,
            gravity,
            size: i64::from(size),
            offset: i64::from(offset),
            flip,
            slide,
            resize,
        };
        let Self { anchor_rect: r, anchor, gravity, size, offset, flip, slide, resize, .. } = *self;
        let x = axis(r.x, r.w, anchor.x, gravity.x, size.w, offset.x, flip.0, slide.0, resize.0);
        let y = axis(r.y, r.h, anchor.y, gravity.y, size.h, offset.y, flip.1, slide.1, resize.1);
        let (left, w) = x.place(bounds.x.into(), bounds.right().into());
        let (top, h) = y.place(bounds.y.into(), bounds.bottom().into());
        Rect::new(clamp(left), clamp(top), clamp(w), clamp(h))
    }
}

/// The rules for one axis.
struct Axis {
    start: i64,
    len: i64,
    anchor: i8,
    gravity: i8,
    size: i64,
    offset: i64,
    flip: bool,
    slide: bool,
    resize: bool,
}

impl Axis {
    /// Position and size within `low..high`.
    fn place(&self, low: i64, high: i64) -> (i64, i64) {
        let fits = |at: i64| at >= low && at + self.size <= high;
        let mut at = self.at(self.anchor, self.gravity);
        if self.flip && !fits(at) {
            let flipped = self.at(-self.anchor, -self.gravity);
            if fits(flipped) {
                at = flipped;
            }
        }
        if self.slide && !fits(at) {
            at = self.slide(at, low, high);
        }
        if self.resize && !fits(at) {
            let (start, end) = (at.max(low), (at + self.size).min(high));
            // Nothing would be left of one that lies outside altogether.
            if start < end {
                return (start, end - start);
            }
        }
        (at, self.size)
    }

    fn at(&self, anchor: i8, gravity: i8) -> i64 {
        let point = match anchor {
            ..0 => self.start,
            0 => self.start + self.len / 2,
            1.. => self.start + self.len,
        };
        self.offset
            + match gravity {
                ..0 => point - self.size,
                0 => point - self.size / 2,
                1.. => point,
            }
    }

    /// First in the direction of the gravity, then in the other: each until the edge that sticks out
    /// is inside, or the one opposite would stick out.
    fn slide(&self, at: i64, low: i64, high: i64) -> i64 {
        let up = |at: i64| at + (low - at).min(high - (at + self.size)).max(0);
        let down = |at: i64| at - (at + self.size - high).min(at - low).max(0);
        if self.gravity < 0 { up(down(at)) } else { down(up(at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Rect = Rect::new(0, 0, 100, 100);

    fn menu(anchor_rect: Rect) -> Positioner {
        // A menu below a button: from its bottom left corner to the bottom right.
        Positioner {
            size: Size::new(30, 40),
            anchor_rect,
            anchor: Sides { x: -1, y: 1 },
            gravity: Sides { x: 1, y: 1 },
            ..Positioner::default()
        }
    }

    #[test]
    fn anchor_and_gravity_meet_in_a_point() {
        let at = |anchor: (i8, i8), gravity: (i8, i8)| {
            let rules = Positioner {
                size: Size::new(6, 4),
                anchor_rect: Rect::new(40, 40, 20, 10),
                anchor: Sides { x: anchor.0, y: anchor.1 },
                gravity: Sides { x: gravity.0, y: gravity.1 },
                ..Positioner::default()
            };
            let r = rules.place(BOUNDS);
            assert_eq!(r.size(), Size::new(6, 4));
            (r.x, r.y)
        };
        assert_eq!(at((0, 0), (0, 0)), (47, 43));
        assert_eq!(at((-1, -1), (1, 1)), (40, 40));
        assert_eq!(at((-1, -1), (-1, -1)), (34, 36));
        assert_eq!(at((1, 1), (1, 1)), (60, 50));
        assert_eq!(at((1, 1), (-1, -1)), (54, 46));
        assert_eq!(at((0, 1), (0, 1)), (47, 50));
        assert_eq!(at((0, -1), (0, -1)), (47, 36));
        assert_eq!(at((1, 0), (1, 0)), (60, 43));
        assert_eq!(at((-1, 0), (-1, 0)), (34, 43));
    }

    #[test]
    fn without_adjustments_it_goes_where_it_was_put() {
        let mut rules = menu(Rect::new(90, 90, 10, 5));
        rules.offset = Point::new(3, -2);
        assert_eq!(rules.place(BOUNDS), Rect::new(93, 93, 30, 40));
    }

    #[test]
    fn it_flips_to_the_other_side_if_it_fits_there() {
        let mut rules = menu(Rect::new(80, 90, 15, 5));
        rules.flip = (true, true);
        // From the button's top right corner to the top left.
        assert_eq!(rules.place(BOUNDS), Rect::new(65, 50, 30, 40));
        // A button in the middle of a small screen: neither side fits, so it stays.
        let rules = Positioner { flip: (false, true), ..menu(Rect::new(0, 30, 10, 5)) };
        assert_eq!(rules.place(Rect::new(0, 0, 100, 60)), Rect::new(0, 35, 30, 40));
    }

    #[test]
    fn flipping_keeps_the_offset() {
        let mut rules = menu(Rect::new(0, 90, 10, 5));
        rules.flip = (true, true);
        rules.offset = Point::new(0, -2);
        assert_eq!(rules.place(BOUNDS), Rect::new(0, 48, 30, 40));
    }

    #[test]
    fn it_slides_until_it_is_inside() {
        let rules = Positioner { slide: (true, true), ..menu(Rect::new(90, 90, 10, 5)) };
        assert_eq!(rules.place(BOUNDS), Rect::new(70, 60, 30, 40));
        let rules = Positioner { slide: (true, true), ..menu(Rect::new(-50, -80, 10, 5)) };
        assert_eq!(rules.place(BOUNDS), Rect::new(0, 0, 30, 40));
    }

    #[test]
    fn what_is_too_large_slides_to_the_edge_that_its_gravity_leaves() {
        let mut rules = Positioner { slide: (true, true), ..menu(Rect::new(50, 50, 10, 5)) };
        rules.size = Size::new(150, 40);
        assert_eq!(rules.place(BOUNDS).x, 0);
        rules.gravity = Sides { x: -1, y: 1 };
        assert_eq!(rules.place(BOUNDS).x, -50);
    }

    #[test]
    fn it_is_cut_to_what_fits() {
        let rules = Positioner { resize: (true, true), ..menu(Rect::new(90, 90, 10, 5)) };
        assert_eq!(rules.place(BOUNDS), Rect::new(90, 95, 10, 5));
        // Nothing would be left.
        let rules = Positioner { resize: (true, true), ..menu(Rect::new(200, 200, 10, 5)) };
        assert_eq!(rules.place(BOUNDS), Rect::new(200, 205, 30, 40));
    }

    #[test]
    fn flip_comes_before_slide_and_slide_before_resize() {
        let all = Positioner {
            flip: (true, true),
            slide: (true, true),
            resize: (true, true),
            ..menu(Rect::new(80, 90, 15, 5))
        };
        assert_eq!(all.place(BOUNDS), Rect::new(65, 50, 30, 40));
        let tall = Positioner { size: Size::new(30, 98), ..all };
        assert_eq!(tall.place(BOUNDS), Rect::new(65, 2, 30, 98));
        let taller = Positioner { size: Size::new(30, 200), ..all };
        assert_eq!(taller.place(BOUNDS), Rect::new(65, 0, 30, 100));
    }

    #[test]
    fn numbers_at_the_end_of_the_world_do_not_wrap() {
        let far = Positioner {
            size: Size::new(i32::MAX, i32::MAX),
            anchor_rect: Rect::new(i32::MAX, i32::MIN, i32::MAX, i32::MAX),
            offset: Point::new(i32::MAX, i32::MIN),
            anchor: Sides { x: 1, y: -1 },
            gravity: Sides { x: 1, y: -1 },
            flip: (true, true),
            slide: (true, true),
            resize: (true, true),
            reactive: true,
        };
        far.place(Rect::new(i32::MIN, i32::MIN, i32::MAX, i32::MAX));
        far.place(BOUNDS);
    }

    #[test]
    fn it_is_complete_with_a_size_and_an_anchor_rectangle() {
        assert!(!Positioner::default().is_complete());
        assert!(!Positioner { size: Size::new(1, 1), ..Positioner::default() }.is_complete());
        assert!(menu(Rect::new(0, 0, 1, 0)).is_complete());
    }
}
