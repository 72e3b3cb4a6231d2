//! The picture as data: what is where, from the bottom up.
//!
//! A scene holds buffers, not pixels. It is rebuilt for every frame and given to the backend, which
//! decides for each element which path its memory takes to the screen; only what no other path can
//! take is read by a renderer. Dropping a scene drops its hold on the clients' buffers.

use std::sync::Arc;

use crate::buffer::{BufferUse, Format, Shadow};
use crate::geometry::{Rect, RectF, Region, Size, Transform};
use crate::surface::{Damage, rects, to_output};

/// Everything that one frame of an output shows.
#[derive(Default)]
pub struct Scene {
    /// Pixels of the output per surface-local unit.
    pub scale: i32,
    /// The output's size in pixels.
    pub size: Size,
    /// What shows where no element does.
    pub background: Color,
    /// The elements, bottom first.
    pub elements: Vec<Element>,
    /// Whether the elements hide all of the background.
    pub covered: bool,
}

/// A colour, 8 bits per channel, opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

/// What an element is, from one frame to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElementId {
    /// A client's surface.
    Surface(u64),
    /// The black around a fullscreen window.
    Backdrop(u64),
    /// The compositor's own cursor.
    Cursor,
}

/// One rectangle of the picture.
pub struct Element {
    /// Whose it is.
    pub id: ElementId,
    /// Where its pixels come from.
    pub content: Content,
    /// The part of the content that shows, in pixels of the content as it lies in memory.
    pub source: RectF,
    /// How the content was turned before it was stored.
    pub transform: Transform,
    /// Where it shows, in pixels of the output.
    pub dest: Rect,
    /// Where nothing below can be seen, in pixels of the output; within `dest`.
    pub opaque: Region,
    /// What is new about it since it was last shown.
    pub news: News,
}

/// What has happened to an element since it was last shown.
#[derive(Clone, Default)]
pub struct News {
    /// Where its content changed, in surface-local units.
    pub damage: Region,
    /// How many frame callbacks its client waits for.
    pub callbacks: usize,
    /// Whether its client wants to know when it turns to light.
    pub feedback: bool,
}

/// Elements to be drawn, bottom first.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What shows where no element does; nothing at all if there is none.
    pub background: Option<Color>,
    /// The elements.
    pub elements: &'a [Element],
}

impl Scene {
    /// All of it, to be drawn.
    pub fn view(&self) -> View<'_> {
        View { background: Some(self.background), elements: &self.elements }
    }
}

impl Element {
    /// Where the picture changes, the element being where it was, in pixels of the output.
    pub fn damage(&self, scale: i32) -> Region {
        if !self.news.damage.is_non_empty() {
            return Region::default();
        }
        self.affected(to_output(&self.news.damage, self.dest.origin(), scale))
    }

    /// Where the picture changes if the element changes in `damage`, both in pixels of the output.
    ///
    /// Where a picture is scaled it is interpolated, so that a pixel of it shows beyond its own edges: by less
    /// than one pixel of the larger of the two.
    pub fn affected(&self, damage: Region) -> Region {
        let size = self.dest.size().transformed(self.transform);
        let scale = (f64::from(size.w) / self.source.w, f64::from(size.h) / self.source.h);
        let whole = self.source.x.fract() == 0.0 && self.source.y.fract() == 0.0;
        if (scale == (1.0, 1.0) && whole) || !damage.is_non_empty() {
            return damage;
        }
        // `as` saturates, also what is divided by nothing.
        let reach = scale.0.max(scale.1).max(1.0).ceil() as i32;
        let mut all = Damage::default();
        for r in rects(&damage) {
            all.add(r.grown(reach).intersect(self.dest));
        }
        all.region().clone()
    }
}

/// Where pixels come from.
#[derive(Clone)]
pub enum Content {
    /// A client's buffer, as it is.
    Buffer(Arc<BufferUse>),
    /// The compositor's private copy of a surface whose memory is not mapped.
    Shadow(Arc<Shadow>),
    /// A picture of the compositor's own.
    Image(Arc<Image>),
    /// One colour.
    Solid(Color),
}

/// A picture of the compositor's own: premultiplied ARGB, rows without padding.
pub struct Image {
    /// Its size in pixels.
    pub size: Size,
    /// Its pixels, `size.w * size.h` of them.
    pub pixels: Vec<u32>,
}

/// Pixels in memory, valid as long as the call that handed them out lasts.
///
/// The memory may be written by another process at any time, so there is no slice of it.
#[derive(Clone, Copy)]
pub struct Pixels {
    /// The first pixel.
    pub ptr: *const u8,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Width and height in pixels.
    pub size: Size,
    /// What the bits mean.
    pub format: Format,
}

/// Why pixels could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The client took its memory away.
    #[error("the memory behind the buffer could not be read: {0}")]
    Gone(String),
    /// The system failed; that is not the client's fault.
    #[error("the dma-buf could not be read: {0}")]
    Failed(String),
    /// Somebody is still writing it.
    #[error("the dma-buf is still being written")]
    Busy,
    /// Only a driver understands it.
    #[error("the CPU does not understand how the dma-buf is arranged")]
    Opaque,
}

impl Content {
    /// Calls `f` with the pixels, the guard armed where they are a client's.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]; if a fault was caught, then or earlier, `f` may have run, and seen zeros.
    pub fn read<R>(&self, f: impl FnOnce(Pixels) -> R) -> Result<R, Unreadable> {
        match self {
            Content::Buffer(used) => used.read(f),
            Content::Shadow(shadow) => Ok(f(shadow.pixels())),
            Content::Image(image) => Ok(f(Pixels {
                ptr: image.pixels.as_ptr().cast(),
                stride: image.size.w as usize * 4,
                size: image.size,
                format: Format::ARGB8888,
            })),
            Content::Solid(Color { r, g, b }) => {
                let pixel = u32::from_be_bytes([0xff, *r, *g, *b]);
                Ok(f(Pixels {
                    ptr: (&raw const pixel).cast(),
                    stride: 4,
                    size: Size::new(1, 1),
                    format: Format::XRGB8888,
                }))
            }
        }
    }

    /// What the bits of the pixels mean.
    pub fn format(&self) -> Format {
        match self {
            Content::Buffer(used) => used.buffer().format(),
            Content::Shadow(shadow) => shadow.format(),
            Content::Image(_) => Format::ARGB8888,
            Content::Solid(_) => Format::XRGB8888,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affected(source: RectF, dest: Rect, transform: Transform, damage: Rect) -> Rect {
        let content = Content::Solid(Color::default());
        let id = ElementId::Cursor;
        let (opaque, news) = Default::default();
        let element = Element { id, content, source, transform, dest, opaque, news };
        crate::geometry::extents(&element.affected(damage.to_region()))
    }

    #[test]
    fn what_is_scaled_shows_beyond_its_edges() {
        let (dest, damage) = (Rect::new(10, 20, 40, 30), Rect::new(20, 30, 4, 5));
        let part = |x, w, h| RectF { x, y: 0.0, w, h };
        let normal = |source| affected(source, dest, Transform::Normal, damage);
        assert_eq!(normal(part(1.0, 40.0, 30.0)), damage);
        assert_eq!(normal(part(0.5, 40.0, 30.0)), Rect::new(19, 29, 6, 7));
        assert_eq!(normal(part(0.0, 80.0, 30.0)), Rect::new(19, 29, 6, 7));
        assert_eq!(normal(part(0.0, 16.0, 30.0)), Rect::new(17, 27, 10, 11));
        // No further than the element reaches.
        assert_eq!(normal(part(0.0, 1.0, 1.0)), dest);
        let turned = |source| affected(source, dest, Transform::Rotated90, damage);
        assert_eq!(turned(part(0.0, 30.0, 40.0)), damage);
        assert_eq!(turned(part(0.0, 40.0, 30.0)), Rect::new(18, 28, 8, 9));
    }
}
