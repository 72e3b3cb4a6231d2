//! Interactive move and resize: the user drags a window, or its edges, with the pointer.
//!
//! The client starts it (`xdg_toplevel.move` and `.resize`); from then on the seat sends the
//! pointer's motion here and not to clients, until the button is released.

use super::Sides;
use super::window::Place;
use crate::geometry::{Point, Rect, Size, clamp};
use crate::server::Server;
use crate::surface::SurfaceId;

/// What the user is doing.
#[derive(Clone, Copy)]
pub(crate) struct Grab {
    window: SurfaceId,
    /// Where the pointer was when it began.
    from: (f64, f64),
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Move { at: Point },
    Resize(Anchor),
}

/// What a resize began with: the edges that are not dragged stay where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    edges: Sides,
    rect: Rect,
}

impl Anchor {
    /// Where the window is once it has that size.
    pub fn corner(&self, size: Size) -> Point {
        let one = |edge: i8, start: i32, end: i32, len: i32| match edge {
            ..0 => end.saturating_sub(len),
            0.. => start,
        };
        let r = self.rect;
        Point::new(one(self.edges.x, r.x, r.right(), size.w), one(self.edges.y, r.y, r.bottom(), size.h))
    }

    /// The size that follows from moving the edges.
    fn size(&self, moved: Point) -> Size {
        let one = |edge: i8, len: i32, moved: i32| clamp(i64::from(len) + i64::from(edge) * i64::from(moved));
        Size::new(one(self.edges.x, self.rect.w, moved.x), one(self.edges.y, self.rect.h, moved.y))
    }
}

impl Server {
    /// The window's rectangle, if the user may drag it now.
    fn draggable(&self, id: SurfaceId) -> Option<Rect> {
        let window = self.shell.window(id)?;
        let may = self.shell.is_mapped(id)
            && self.shell.grab.is_none()
            && window.wants.floats()
            && window.now.floats();
        let corner = self.shell.corner(&self.surfaces, &self.output, id).filter(|_| may)?;
        Some(Rect::at(corner, self.shell.geometry(&self.surfaces, id).size()))
    }

    /// `xdg_toplevel.move`; ignored unless the serial is that of a press on the window.
    pub fn shell_begin_move(&mut self, id: SurfaceId, serial: u32) {
        if self.seat_implicit_grab(id, serial) {
            self.begin_move(id);
        }
    }

    /// The user moves the window that `surface` is part of, whether or not its client knows how.
    pub fn shell_user_moves(&mut self, surface: SurfaceId) {
        if let Some(window) = self.shell.window_of(&self.surfaces, surface) {
            self.begin_move(window);
        }
    }

    pub(super) fn begin_move(&mut self, id: SurfaceId) {
        let Some(rect) = self.draggable(id) else { return };
        let from = self.seat_pointer_position();
        self.shell.grab = Some(Grab { window: id, from, what: What::Move { at: rect.origin() } });
        self.seat_refresh();
    }

    /// `xdg_toplevel.resize`; ignored unless the serial is that of a press on the window.
    pub fn shell_begin_resize(&mut self, id: SurfaceId, serial: u32, edges: Sides) {
        if self.seat_implicit_grab(id, serial) {
            self.begin_resize(id, edges);
        }
    }

    /// The user resizes the window that `surface` is part of, by the corner that is nearest to the pointer.
    pub fn shell_user_resizes(&mut self, surface: SurfaceId) {
        let window = self.shell.window_of(&self.surfaces, surface);
        let Some((id, rect)) = window.and_then(|id| Some((id, self.draggable(id)?))) else { return };
        let (x, y) = self.seat_pointer_position();
        let side = |at: f64, start: i32, len: i32| {
            if at < f64::from(start) + f64::from(len) / 2.0 { -1 } else { 1 }
        };
        self.begin_resize(id, Sides { x: side(x, rect.x, rect.w), y: side(y, rect.y, rect.h) });
    }

    pub(super) fn begin_resize(&mut self, id: SurfaceId, edges: Sides) {
        let Some(rect) = self.draggable(id).filter(|_| edges != Sides::default()) else { return };
        let anchor = Anchor { edges, rect };
        let from = self.seat_pointer_position();
        self.shell.grab = Some(Grab { window: id, from, what: What::Resize(anchor) });
        if let Some(window) = self.shell.window_mut(id) {
            window.floating = rect.size();
            window.place = Place::At(rect.origin());
            window.anchor = Some(anchor);
            window.wants.resizing = true;
        }
        self.configure_window(id);
        self.seat_refresh();
    }

    /// Whether the pointer's motion belongs to the shell.
    pub fn shell_grab_active(&self) -> bool {
        self.shell.grab.is_some()
    }

    /// The pointer has moved to a point of the output.
    pub fn shell_grab_motion(&mut self, point: (f64, f64)) {
        let Some(grab) = self.shell.grab else { return };
        // `as` saturates.
        let moved =
            Point::new((point.0 - grab.from.0).round() as i32, (point.1 - grab.from.1).round() as i32);
        let Some(entry) = self.shell.get(grab.window) else { return };
        let outstanding = entry.configures.outstanding();
        let Some(window) = self.shell.window_mut(grab.window) else { return };
        match grab.what {
            What::Move { at } => {
                window.place = Place::At(at.offset(moved));
                self.reconstrain(grab.window);
                self.schedule_frame();
            }
            What::Resize(anchor) => {
                let size = window.limited(anchor.size(moved));
                if size == window.floating {
                    return;
                }
                window.floating = size;
                // One size at a time: the next is sent when this one has been acked.
                if outstanding {
                    window.size_waits = true;
                } else {
                    self.configure_window(grab.window);
                }
            }
        }
    }

    /// The button was released.
    pub fn shell_grab_end(&mut self) {
        let Some(grab) = self.shell.grab.take() else { return };
        if let What::Resize(_) = grab.what
            && let Some(window) = self.shell.window_mut(grab.window)
        {
            window.wants.resizing = false;
            self.configure_window(grab.window);
        }
        self.seat_refresh();
    }

    /// Ends the user's dragging if it is of that window.
    pub(super) fn shell_cancel_grab_of(&mut self, id: SurfaceId) {
        if self.shell.grab.is_some_and(|g| g.window == id) {
            self.shell.grab = None;
            if let Some(window) = self.shell.window_mut(id) {
                window.wants.resizing = false;
                window.anchor = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_that_are_not_dragged_stay() {
        let rect = Rect::new(100, 50, 200, 100);
        let anchor = |x, y| Anchor { edges: Sides { x, y }, rect };
        assert_eq!(anchor(1, 1).size(Point::new(10, -20)), Size::new(210, 80));
        assert_eq!(anchor(1, 1).corner(Size::new(210, 80)), Point::new(100, 50));
        assert_eq!(anchor(-1, -1).size(Point::new(10, -20)), Size::new(190, 120));
        assert_eq!(anchor(-1, -1).corner(Size::new(190, 120)), Point::new(110, 30));
        assert_eq!(anchor(0, -1).size(Point::new(10, 5)), Size::new(200, 95));
        // The client may choose another size than it was asked for.
        assert_eq!(anchor(-1, 0).corner(Size::new(120, 100)), Point::new(180, 50));
    }

    #[test]
    fn dragging_to_the_end_of_the_world_does_not_wrap() {
        let anchor =
            Anchor { edges: Sides { x: -1, y: 1 }, rect: Rect::new(i32::MIN, 0, i32::MAX, i32::MAX) };
        assert_eq!(anchor.size(Point::new(i32::MIN, i32::MAX)), Size::new(i32::MAX, i32::MAX));
        anchor.corner(Size::new(i32::MAX, i32::MAX));
    }
}
