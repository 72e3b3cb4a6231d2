//! Draws scenes on the CPU, with pixman.
//!
//! What is hidden is never read: a first walk from the front finds what can be seen of each element,
//! a second one from the back draws just that. Opaque pixels that already have the target's format are copied
//! row by row, which costs what memcpy(3) costs; everything else is a composite of pixman's, with a
//! matrix from output pixels to source pixels that holds the transform, the crop and the scale.
//!
//! The filter is nearest where each output pixel is exactly one source pixel (in any of the eight orientations),
//! bilinear elsewhere. pixman sees of the source only the crop, its edges repeated outwards, so a neighbour
//! outside it never bleeds in; where the crop ends within a pixel, that whole pixel still counts.
//!
//! This module is the renderer's FFI boundary: pixman wants raw pointers, and the memory behind them
//! belongs to another process, which may write it at any time. So no Rust reference is made to it.

#![allow(unsafe_code)]

use pixman::{Box32, Filter, Fixed, FormatCode, Image, Operation, Repeat};

use shm_core::blit::copy_rows;

use super::{Drawn, Renderer, Target};
use crate::buffer::Format;
use crate::geometry::{Point, Rect, RectF, Region, Size, Transform, clamp, extents};
use crate::scene::{Color, Content, Element, Pixels, Unreadable, View};

/// pixman computes in 16.16 fixed point, and draws nothing at all where a coordinate does not fit.
/// Pieces are kept below half of that, which leaves room for matrices that enlarge.
const LIMIT: i64 = 16_000;

/// A [`Renderer`] on the CPU. What it needs while drawing is kept from frame to frame.
#[derive(Default)]
pub struct PixmanRenderer {
    /// What is seen of each element, in the order of the scene.
    visible: Vec<Region>,
    painter: Painter,
}

/// The part that needs no scene.
#[derive(Default)]
struct Painter {
    /// A copy of pixels that pixman would refuse where they lie: it wants rows aligned to 4 bytes.
    aligned: Vec<u32>,
}

/// An element without its pixels.
#[derive(Clone, Copy)]
struct Placement {
    source: RectF,
    transform: Transform,
    dest: Rect,
}

/// Coordinates in the source as a function of coordinates in the output.
#[derive(Clone, Copy)]
struct Map {
    xx: f64,
    xy: f64,
    yx: f64,
    yy: f64,
    x0: f64,
    y0: f64,
    /// Where the output's coordinates count from.
    origin: Point,
}

impl PixmanRenderer {
    /// A renderer that has drawn nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds what is seen of each element within `damage`; returns what is seen of the background.
    fn find_visible(&mut self, view: View<'_>, target: Size, damage: &Region) -> Region {
        let mut rest = damage.intersect(&Rect::of_size(target).to_region());
        self.visible.clear();
        self.visible.resize_with(view.elements.len(), Region::default);
        for (element, visible) in view.elements.iter().zip(&mut self.visible).rev() {
            if !rest.is_non_empty() {
                break;
            }
            let dest = element.dest.to_region();
            *visible = rest.intersect(&dest);
            if visible.is_non_empty() {
                let opaque =
                    if element.content.format().is_opaque() { dest } else { element.opaque.intersect(&dest) };
                rest = rest.subtract(&opaque);
            }
        }
        rest
    }
}

impl Renderer for PixmanRenderer {
    fn render(&mut self, view: View<'_>, target: &mut Target, damage: &Region, drawn: &mut Vec<Drawn>) {
        let background = self.find_visible(view, target.size, damage);
        let Some(mut canvas) = Canvas::new(target, view.background.is_none()) else {
            tracing::error!(size = ?target.size, stride = target.stride, "pixman cannot draw into this target");
            return;
        };
        match view.background {
            Some(color) => canvas.fill(color, &background),
            None => canvas.clear(&damage.intersect(&Rect::of_size(target.size).to_region())),
        }
        for (element, visible) in view.elements.iter().zip(&self.visible) {
            if !visible.is_non_empty() {
                continue;
            }
            let Element { id, content, source, transform, dest, opaque, .. } = element;
            if let Content::Solid(color) = content {
                canvas.fill(*color, visible);
                drawn.push(Drawn { id: *id, bytes: 0, fault: false });
                continue;
            }
            let place = Placement { source: *source, transform: *transform, dest: *dest };
            let read = content.read(|px| self.painter.paint(&mut canvas, px, place, visible, opaque));
            drawn.push(match read {
                Ok(bytes) => Drawn { id: *id, bytes, fault: false },
                Err(why) => {
                    tracing::debug!("not drawn: {why}");
                    Drawn { id: *id, bytes: 0, fault: matches!(why, Unreadable::Gone(_)) }
                }
            });
        }
    }
}

impl Placement {
    /// The crop in whole pixels of a content of `size`: pixels that it touches belong to it.
    fn crop(&self, size: Size) -> Rect {
        let (x, y) = (self.source.x.floor(), self.source.y.floor());
        let (r, b) = ((self.source.x + self.source.w).ceil(), (self.source.y + self.source.h).ceil());
        // Float to integer conversions saturate, and the difference of saturated values cannot wrap in 64 bits.
        let (x, y, r, b) = (x as i32, y as i32, r as i32, b as i32);
        Rect::new(x, y, clamp(r as i64 - x as i64), clamp(b as i64 - y as i64)).intersect(Rect::of_size(size))
    }

    /// Whether each output pixel is exactly one source pixel.
    fn is_exact(&self) -> bool {
        let RectF { x, y, w, h } = self.source;
        let size = self.dest.size().transformed(self.transform);
        w == f64::from(size.w) && h == f64::from(size.h) && x.fract() == 0.0 && y.fract() == 0.0
    }

    /// How far the source lies from the output, if nothing else is between them; `crop` is its crop.
    fn shift(&self, crop: Rect) -> Option<(i64, i64)> {
        let whole = self.is_exact() && crop.size() == self.dest.size();
        (whole && self.transform == Transform::Normal)
            .then(|| (crop.x as i64 - self.dest.x as i64, crop.y as i64 - self.dest.y as i64))
    }

    /// Source pixels per output pixel.
    fn scale(&self) -> f64 {
        (self.source.w / f64::from(self.dest.w)) * (self.source.h / f64::from(self.dest.h))
    }

    fn map(&self) -> Map {
        let at = |x, y| {
            let (x, y) = self.transform.surface_to_buffer(x, y, 1.0, 1.0);
            (self.source.x + x * self.source.w, self.source.y + y * self.source.h)
        };
        let (w, h) = (f64::from(self.dest.w), f64::from(self.dest.h));
        let ((x0, y0), (x1, y1), (x2, y2)) = (at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0));
        Map {
            xx: (x1 - x0) / w,
            yx: (y1 - y0) / w,
            xy: (x2 - x0) / h,
            yy: (y2 - y0) / h,
            x0,
            y0,
            origin: self.dest.origin(),
        }
    }
}

impl Map {
    /// The same map, its output coordinates counted from `origin`.
    fn moved(self, origin: Point) -> Map {
        let dx = f64::from(origin.x) - f64::from(self.origin.x);
        let dy = f64::from(origin.y) - f64::from(self.origin.y);
        let x0 = self.x0 + self.xx * dx + self.xy * dy;
        let y0 = self.y0 + self.yx * dx + self.yy * dy;
        Map { x0, y0, origin, ..self }
    }

    /// The source pixels that the middles of the pixels of `piece` fall on, and one more on each side.
    fn reach(self, piece: Rect) -> Rect {
        let m = self.moved(piece.origin());
        let (w, h) = (f64::from(piece.w) - 0.5, f64::from(piece.h) - 0.5);
        let range = |dx: f64, dy: f64, at: f64| {
            let ends = [(0.5, 0.5), (w, 0.5), (0.5, h), (w, h)].map(|(x, y)| at + dx * x + dy * y);
            let low = ends.iter().fold(f64::INFINITY, |a, b| a.min(*b)).floor();
            let high = ends.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)).floor();
            (low as i32 - 1, (high - low) as i32 + 3)
        };
        let ((x, w), (y, h)) = (range(m.xx, m.xy, m.x0), range(m.yx, m.yy, m.y0));
        Rect::new(x, y, w, h)
    }

    /// pixman's matrix to a source whose first pixel is at `window`.
    fn matrix(self, window: Point) -> pixman::Transform {
        // Fixed's own conversion cuts off; rounding halves the error that grows along a row.
        let fixed = |v: f64| Fixed::from_raw((v * 65536.0).round() as i32);
        let (zero, one) = (Fixed::ZERO, Fixed::ONE);
        let (x0, y0) = (self.x0 - f64::from(window.x), self.y0 - f64::from(window.y));
        pixman::Transform::new([
            [fixed(self.xx), fixed(self.xy), fixed(x0)],
            [fixed(self.yx), fixed(self.yy), fixed(y0)],
            [zero, zero, one],
        ])
    }
}

/// A target, and a way to draw into it.
struct Canvas<'a> {
    target: &'a Target,
    /// Whether its fourth byte counts.
    alpha: bool,
    image: Image<'static, 'static>,
}

impl<'a> Canvas<'a> {
    /// `None` if the target has no pixels, more than pixman can count, or rows that are not aligned.
    fn new(target: &'a Target, alpha: bool) -> Option<Self> {
        let format = if alpha { FormatCode::A8R8G8B8 } else { FormatCode::X8R8G8B8 };
        let Size { w, h } = target.size;
        let aligned = target.ptr.cast::<u32>().is_aligned() && target.stride.is_multiple_of(4);
        if target.size.is_empty() || w.max(h) >= 0x7fff || target.stride < w as usize * 4 || !aligned {
            return None;
        }
        // SAFETY: `Target` promises memory of `h` rows of `stride` bytes each that no Rust reference
        // aliases for as long as drawing lasts; the canvas is dropped before `render` returns.
        let image = unsafe {
            let bits = target.ptr.cast();
            Image::from_raw_mut(format, w as usize, h as usize, bits, target.stride, false)
        };
        Some(Self { target, alpha, image: image.ok()? })
    }

    fn fill(&mut self, Color { r, g, b }: Color, region: &Region) {
        if region.is_non_empty() {
            let wide = |v: u8| u16::from(v) * 257;
            self.set(pixman::Color::new(wide(r), wide(g), wide(b), 0xffff), region);
        }
    }

    fn clear(&mut self, region: &Region) {
        self.set(pixman::Color::new(0, 0, 0, 0), region);
    }

    fn set(&mut self, color: pixman::Color, region: &Region) {
        if self.image.fill_boxes(Operation::Src, color, region.rectangles()).is_err() {
            tracing::error!("pixman is out of memory");
        }
    }

    /// Copies the pixels of `region`, which lies in the target and, moved by `shift`, in `pixels`.
    fn copy(&mut self, pixels: &Pixels, region: &Region, shift: (i64, i64)) {
        for b in region.rectangles() {
            let r = Rect::from(b);
            // Both ends are within images that exist, so neither is negative nor leaves an address.
            let (sx, sy) = ((r.x as i64 + shift.0) as usize, (r.y as i64 + shift.1) as usize);
            let (x, y, rows, row) = (r.x as usize, r.y as usize, r.h as usize, r.w as usize * 4);
            let (from, to) = (sy * pixels.stride + sx * 4, y * self.target.stride + x * 4);
            // SAFETY: the region was cut to the target and to the crop, which was cut to the pixels; both
            // have rows of at least `row` bytes there, and they do not overlap: one is ours, the other a
            // client's or our own copy. The client may write meanwhile, which changes what is copied
            // and nothing else.
            unsafe {
                let (src, dst) = (pixels.ptr.add(from), self.target.ptr.add(to));
                copy_rows(src, pixels.stride, dst, self.target.stride, row, rows);
            }
        }
    }
}

fn area(region: &Region) -> u64 {
    region.rectangles().iter().map(|b| (b.x2 - b.x1) as u64 * (b.y2 - b.y1) as u64).sum()
}

impl Painter {
    /// Draws the `visible` part of `pixels`; returns how many of their bytes that took.
    fn paint(
        &mut self,
        canvas: &mut Canvas,
        pixels: Pixels,
        place: Placement,
        visible: &Region,
        opaque: &Region,
    ) -> u64 {
        let crop = place.crop(pixels.size);
        if crop.is_empty() || place.dest.is_empty() {
            return 0;
        }
        let (format, bpp) = (pixels.format, u64::from(pixels.format.bytes_per_pixel()));
        let is_opaque = format.is_opaque() || !visible.subtract(opaque).is_non_empty();
        let op = if is_opaque { Operation::Src } else { Operation::Over };
        let Some(shift) = place.shift(crop) else {
            self.sample(canvas, pixels, place, crop, visible, op);
            return (area(visible) as f64 * place.scale()).ceil() as u64 * bpp;
        };
        if format != Format::ARGB8888 && (format != Format::XRGB8888 || canvas.alpha) {
            self.blend(canvas, pixels, shift, visible, op);
        } else if is_opaque {
            canvas.copy(&pixels, visible, shift);
        } else {
            // The opaque inside of a window with translucent edges.
            canvas.copy(&pixels, &visible.intersect(opaque), shift);
            self.blend(canvas, pixels, shift, &visible.subtract(opaque), op);
        }
        area(visible) * bpp
    }

    /// Draws source pixels onto the output pixels that are `shift` away from them.
    fn blend(
        &mut self,
        canvas: &mut Canvas,
        pixels: Pixels,
        shift: (i64, i64),
        visible: &Region,
        op: Operation,
    ) {
        let at = extents(visible);
        let (x, y) = (at.x as i64 + shift.0, at.y as i64 + shift.1);
        let Some(image) = self.source_image(&pixels, Rect::new(clamp(x), clamp(y), at.w, at.h)) else {
            return;
        };
        for b in visible.rectangles() {
            let r = Rect::from(b);
            canvas.image.composite32(
                op,
                &image,
                None,
                (r.x - at.x, r.y - at.y),
                (0, 0),
                (r.x, r.y),
                (r.w, r.h),
            );
        }
    }

    /// Draws a source that is turned or scaled.
    fn sample(
        &mut self,
        canvas: &mut Canvas,
        pixels: Pixels,
        place: Placement,
        crop: Rect,
        visible: &Region,
        op: Operation,
    ) {
        let filter = if place.is_exact() { Filter::Nearest } else { Filter::Bilinear };
        let map = place.map();
        let far = |v: i32, origin: i32| (v as i64 - origin as i64).abs() > LIMIT;
        let at = extents(visible);
        let outside = |p: Point, o: Point| far(p.x, o.x) || far(p.y, o.y);
        let corner = Point::new(at.right(), at.bottom());
        // With one matrix for the whole element, an output pixel is the same whichever piece of it is drawn.
        if crop.w as i64 <= LIMIT
            && crop.h as i64 <= LIMIT
            && !outside(at.origin(), map.origin)
            && !outside(corner, map.origin)
        {
            self.sample_piece(canvas, &pixels, map, crop, visible.rectangles(), filter, op);
            return;
        }
        let mut pieces: Vec<Rect> = visible.rectangles().iter().map(Rect::from).collect();
        while let Some(piece) = pieces.pop() {
            let reach = map.reach(piece).intersect(crop);
            if (reach.w as i64 > LIMIT || reach.h as i64 > LIMIT) && (piece.w > 1 || piece.h > 1) {
                let Rect { x, y, w, h } = piece;
                if w >= h {
                    pieces.extend([Rect::new(x, y, w / 2, h), Rect::new(x + w / 2, y, w - w / 2, h)]);
                } else {
                    pieces.extend([Rect::new(x, y, w, h / 2), Rect::new(x, y + h / 2, w, h - h / 2)]);
                }
            } else if !reach.is_empty() {
                let map = map.moved(piece.origin());
                let b = Box32 { x1: piece.x, y1: piece.y, x2: piece.right(), y2: piece.bottom() };
                self.sample_piece(canvas, &pixels, map, reach, &[b], filter, op);
            }
        }
    }

    /// Draws `boxes`, all near the origin of `map`, from the `window` of a source.
    #[allow(clippy::too_many_arguments)]
    fn sample_piece(
        &mut self,
        canvas: &mut Canvas,
        pixels: &Pixels,
        map: Map,
        window: Rect,
        boxes: &[Box32],
        filter: Filter,
        op: Operation,
    ) {
        let Some(mut image) = self.source_image(pixels, window) else { return };
        image.set_repeat(Repeat::Pad);
        let ready =
            image.set_filter(filter, &[]).and_then(|()| image.set_transform(map.matrix(window.origin())));
        if ready.is_err() {
            tracing::error!("pixman is out of memory");
            return;
        }
        for b in boxes {
            let from = (b.x1 - map.origin.x, b.y1 - map.origin.y);
            canvas.image.composite32(
                op,
                &image,
                None,
                from,
                (0, 0),
                (b.x1, b.y1),
                (b.x2 - b.x1, b.y2 - b.y1),
            );
        }
    }

    /// The `window` of `pixels`, which lies within them, as a pixman image. It must be dropped before the
    /// pixels go, and before the painter makes another.
    fn source_image(&mut self, pixels: &Pixels, window: Rect) -> Option<Image<'static, 'static>> {
        debug_assert_eq!(window.intersect(Rect::of_size(pixels.size)), window);
        let bpp = pixels.format.bytes_per_pixel() as usize;
        let (w, h) = (window.w as usize, window.h as usize);
        let skipped = window.y as usize * pixels.stride + window.x as usize * bpp;
        // SAFETY: the window lies within the pixels.
        let first = unsafe { pixels.ptr.add(skipped) };
        let (bits, stride) = if first.cast::<u32>().is_aligned() && pixels.stride.is_multiple_of(4) {
            (first.cast_mut().cast(), pixels.stride)
        } else {
            let words = (w * bpp).div_ceil(4);
            self.aligned.resize(self.aligned.len().max(words * h), 0);
            for i in 0..h {
                let to = self.aligned[i * words..].as_mut_ptr().cast();
                // SAFETY: row `i` of the window has `w * bpp` bytes, and so has the slice, which is ours.
                unsafe { std::ptr::copy_nonoverlapping(first.add(i * pixels.stride), to, w * bpp) };
            }
            (self.aligned.as_mut_ptr(), words * 4)
        };
        // SAFETY: `h` rows of `w` pixels lie there, `stride` apart, for as long as the call lasts that
        // handed out `pixels`. pixman takes a `*mut`, but only reads what is a source.
        unsafe { Image::from_raw_mut(pixels.format.pixman(), w, h, bits, stride, false) }
            .inspect_err(|_| tracing::error!(w, h, stride, "pixman cannot read these pixels"))
            .ok()
    }
}

#[cfg(test)]
mod tests;
