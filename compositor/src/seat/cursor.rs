//! What shows where the pointer is: a client's surface, nothing, or an arrow of our own.

use std::sync::Arc;

use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Point, Rect, RectF, Region, Size, Transform};
use crate::scene::{Content, Element, ElementId, Image, News};
use crate::server::Server;
use crate::shell::Root;
use crate::surface::{Role, SurfaceId};

/// What shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Our arrow: nobody said anything else.
    Arrow,
    /// Nothing: a client wants it so.
    Hidden,
    /// A client's surface, with the point in it that is where the pointer is.
    Surface(SurfaceId, Point),
}

/// The cursor.
pub(crate) struct Cursor {
    shape: Shape,
    /// The client that said so.
    owner: Option<u64>,
    arrow: Arc<Image>,
}

impl Cursor {
    /// The arrow.
    pub fn new() -> Self {
        Self { shape: Shape::Arrow, owner: None, arrow: Arc::new(arrow()) }
    }

    /// The pointer entered a surface of `client`: another's cursor does not belong there. Returns
    /// whether that changed anything.
    pub fn entered(&mut self, client: u64) -> bool {
        if self.owner.is_none_or(|owner| owner == client) {
            return false;
        }
        self.owner = None;
        self.shape = Shape::Arrow;
        true
    }

    /// Whether it shows anything.
    pub fn shows(&self) -> bool {
        self.shape != Shape::Hidden
    }

    /// The client's surface and where it is, with the pointer at `at`.
    pub fn root(&self, at: Point) -> Option<Root> {
        let Shape::Surface(surface, hotspot) = self.shape else { return None };
        Some(Root { surface, origin: at.relative_to(hotspot) })
    }

    /// Our arrow with its tip at `at`, in pixels.
    pub fn element(&self, at: Point, scale: i32) -> Option<Element> {
        if self.shape != Shape::Arrow {
            return None;
        }
        let Size { w, h } = self.arrow.size;
        Some(Element {
            id: ElementId::Cursor,
            content: Content::Image(self.arrow.clone()),
            source: RectF { x: 0.0, y: 0.0, w: f64::from(w), h: f64::from(h) },
            transform: Transform::Normal,
            dest: Rect::new(at.x, at.y, w.saturating_mul(scale), h.saturating_mul(scale)),
            opaque: Region::default(),
            news: News::default(),
        })
    }

    /// The cursor's surface was committed, with its content moved by `offset`.
    pub fn moved(&mut self, id: SurfaceId, offset: Point) {
        if let Shape::Surface(surface, hotspot) = &mut self.shape
            && *surface == id
        {
            *hotspot = hotspot.relative_to(offset);
        }
    }

    /// A surface is gone, and the cursor with it, if it was that.
    pub fn gone(&mut self, id: SurfaceId) {
        if matches!(self.shape, Shape::Surface(surface, _) if surface == id) {
            self.shape = Shape::Hidden;
        }
    }
}

impl Server {
    /// `wl_pointer.set_cursor`.
    pub fn seat_set_cursor(
        &mut self,
        client: u64,
        serial: u32,
        surface: Option<SurfaceId>,
        hotspot: Point,
    ) -> Outcome {
        if let Some(surface) = surface.and_then(|id| self.surfaces.get_mut(id)) {
            if !matches!(surface.role, Role::None | Role::Cursor) {
                let message = "that surface has another role: a cursor needs one of its own";
                return Err(ProtocolError::new(wayland_server::protocol::wl_pointer::Error::Role, message));
            }
            surface.role = Role::Cursor;
        }
        let seat = &mut self.seat;
        let shape = surface.map_or(Shape::Hidden, |id| Shape::Surface(id, hotspot));
        let same =
            matches!((seat.cursor.shape, shape), (Shape::Surface(a, _), Shape::Surface(b, _)) if a == b);
        let focused = seat.pointer.focus.is_some_and(|f| f.client == client);
        let drags = seat.drag.as_ref().is_some_and(|d| d.client == client);
        let entered = seat.clients.get(&client).and_then(|c| c.enter_serial) == Some(serial);
        if entered && (focused || drags || same) {
            seat.cursor.shape = shape;
            seat.cursor.owner = Some(client);
            self.schedule_frame();
        }
        Ok(())
    }
}

/// X is black, o is white.
const ARROW: [&str; 19] = [
    "X           ",
    "XX          ",
    "XoX         ",
    "XooX        ",
    "XoooX       ",
    "XooooX      ",
    "XoooooX     ",
    "XooooooX    ",
    "XoooooooX   ",
    "XooooooooX  ",
    "XoooooooooX ",
    "XooooooXXXXX",
    "XoooXooX    ",
    "XooXXooX    ",
    "XoX  XooX   ",
    "XX   XooX   ",
    "X     XooX  ",
    "      XooX  ",
    "       XX   ",
];

fn arrow() -> Image {
    let pixels = ARROW.iter().flat_map(|row| row.bytes()).map(|b| match b {
        b'X' => 0xff00_0000,
        b'o' => 0xffff_ffff,
        _ => 0,
    });
    Image { size: Size::new(12, 19), pixels: pixels.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrow_fills_its_size() {
        let image = arrow();
        assert_eq!(image.pixels.len(), (image.size.w * image.size.h) as usize);
        assert_eq!(image.pixels[0], 0xff00_0000);
    }

    #[test]
    fn the_hotspot_moves_against_the_offset() {
        let mut cursor = Cursor::new();
        let surface = SurfaceId(3);
        cursor.shape = Shape::Surface(surface, Point::new(5, 6));
        cursor.moved(surface, Point::new(2, -1));
        cursor.moved(SurfaceId(4), Point::new(9, 9));
        let root = cursor.root(Point::new(100, 100)).unwrap();
        assert_eq!(root.origin, Point::new(97, 93));
        cursor.gone(surface);
        assert!(!cursor.shows());
    }
}
