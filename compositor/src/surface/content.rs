//! What a commit makes of a surface: its content, its size, and what changed of it.

use std::sync::Arc;

use super::{Attach, Current, Damage, Pending};
use crate::buffer::{Buffer, BufferUse, Shadow};
use crate::geometry::{Point, Rect, RectF, Region, Size};

/// A state that cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ContentError {
    /// `wl_surface.error.invalid_size`.
    #[error("a buffer of {}x{} pixels is not a whole multiple of the buffer scale {scale}", .buffer.w, .buffer.h)]
    NotMultipleOfScale {
        /// The buffer's size.
        buffer: Size,
        /// The surface's scale.
        scale: i32,
    },
    /// `wp_viewport.error.bad_size`.
    #[error("the viewport's source is {0}x{1}: without a destination it must be whole numbers")]
    FractionalSource(f64, f64),
    /// `wp_viewport.error.out_of_buffer`.
    #[error("the viewport's source reaches beyond the surface's {0}x{1}")]
    SourceOutsideBuffer(f64, f64),
}

/// What applying a state came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// The surface's size changed, or it gained or lost its content.
    pub resized: bool,
    /// Memory under policy `copy` ended before its buffer did.
    pub cut_off: bool,
    /// How much the content's top left corner moved, in surface-local units.
    pub offset: Point,
}

impl Current {
    /// Size and viewport of the state that `pending` would make, or why there is none.
    ///
    /// # Errors
    ///
    /// [`ContentError`], as wayland.xml and viewporter.xml say.
    pub fn check(&self, pending: &Pending) -> Result<Size, ContentError> {
        let buffer = match &pending.attach {
            Some(Attach::Null) => Size::default(),
            Some(Attach::Buffer(b)) => b.size(),
            None => self.buffer_size,
        };
        if buffer.is_empty() {
            return Ok(Size::default());
        }
        let scale = pending.scale.unwrap_or(self.scale);
        if buffer.w % scale != 0 || buffer.h % scale != 0 {
            return Err(ContentError::NotMultipleOfScale { buffer, scale });
        }
        let turned = buffer.transformed(pending.transform.unwrap_or(self.transform));
        let (w, h) = (turned.w / scale, turned.h / scale);
        let viewport = pending.viewport.unwrap_or(self.viewport);
        if let Some(RectF { x, y, w: sw, h: sh }) = viewport.source {
            if viewport.destination.is_none() && (sw.fract() != 0.0 || sh.fract() != 0.0) {
                return Err(ContentError::FractionalSource(sw, sh));
            }
            if x + sw > f64::from(w) || y + sh > f64::from(h) {
                return Err(ContentError::SourceOutsideBuffer(f64::from(w), f64::from(h)));
            }
        }
        Ok(match (viewport.destination, viewport.source) {
            (Some(destination), _) => destination,
            (None, Some(source)) => Size::new(source.w as i32, source.h as i32),
            (None, None) => Size::new(w, h),
        })
    }

    /// Applies `pending`. Callbacks and feedback join those that wait.
    ///
    /// # Errors
    ///
    /// [`ContentError`] if the states do not fit each other; then nothing was changed.
    pub fn apply(&mut self, pending: &mut Pending) -> Result<Applied, ContentError> {
        let size = self.check(pending)?;
        let old = (self.size, self.has_content());
        let reshaped = pending.scale.is_some_and(|s| s != self.scale)
            || pending.transform.is_some_and(|t| t != self.transform)
            || pending.viewport.is_some_and(|v| v != self.viewport);
        self.scale = pending.scale.unwrap_or(self.scale);
        self.transform = pending.transform.unwrap_or(self.transform);
        self.viewport = pending.viewport.unwrap_or(self.viewport);
        if let Some(opaque) = pending.opaque.take() {
            self.opaque = opaque;
        }
        if let Some(input) = pending.input.take() {
            self.input = input;
        }
        self.size = size;
        let mut applied = Applied { offset: std::mem::take(&mut pending.offset), ..Applied::default() };
        match pending.attach.take() {
            Some(Attach::Buffer(buffer)) => {
                self.buffer_size = buffer.size();
                self.fresh = true;
                self.committed_us = pending.committed_us;
                applied.cut_off = self.take_content(buffer, pending);
            }
            Some(Attach::Null) => {
                self.buffer = None;
                self.shadow = None;
                self.last_buffer = None;
                self.buffer_size = Size::default();
            }
            None => {}
        }
        applied.resized = old != (self.size, self.has_content());
        if applied.resized || reshaped {
            self.damage.add(Rect::of_size(self.size));
        } else if self.has_content() {
            let bounds = Rect::of_size(self.size);
            for rect in pending.surface_damage.rects() {
                self.damage.add(rect.intersect(bounds));
            }
            for rect in pending.buffer_damage.rects() {
                self.damage.add(self.surface_rect(rect).intersect(bounds));
            }
        }
        self.callbacks.append(&mut pending.callbacks);
        self.feedback.append(&mut pending.feedback);
        Ok(applied)
    }

    /// Takes `buffer` as the content; returns whether its memory was cut off (policy `copy`).
    fn take_content(&mut self, buffer: Arc<Buffer>, pending: &mut Pending) -> bool {
        // The use begins before the one it replaces ends: a buffer that is attached again must not
        // be released in between.
        let used = pending.hold.take().unwrap_or_else(|| Arc::new(BufferUse::new(buffer.clone())));
        used.notify(&mut pending.release);
        self.last_buffer = Some(buffer.clone());
        if !buffer.is_unmapped() {
            self.shadow = None;
            self.buffer = Some(used);
            return false;
        }
        self.buffer = None;
        let all = Rect::of_size(buffer.size());
        let (shadow, damage) = match self.shadow.take().filter(|s| s.fits(&buffer)) {
            Some(shadow) => (shadow, self.buffer_region(pending, all)),
            None => (Arc::new(Shadow::for_buffer(&buffer)), all.to_region()),
        };
        // A frame that is still being shown keeps the old copy.
        let mut shadow = match Arc::try_unwrap(shadow) {
            Ok(ours) => ours,
            Err(shared) => shared.duplicate(),
        };
        let copied = shadow.update(&buffer, &damage);
        self.shadow_bytes += copied.bytes;
        self.shadow = Some(Arc::new(shadow));
        copied.short
    }

    /// What `pending` says changed, in pixels of the buffer, within `all`.
    fn buffer_region(&self, pending: &Pending, all: Rect) -> Region {
        let mut damage = Damage::default();
        for rect in pending.buffer_damage.rects() {
            damage.add(rect.intersect(all));
        }
        for rect in pending.surface_damage.rects() {
            damage.add(self.buffer_rect(rect).intersect(all));
        }
        damage.region().clone()
    }

    /// The surface's size in surface-local units before its viewport.
    fn unscaled(&self) -> (f64, f64) {
        let turned = self.buffer_size.transformed(self.transform);
        (f64::from(turned.w) / f64::from(self.scale), f64::from(turned.h) / f64::from(self.scale))
    }

    /// The part of the surface that shows, in surface-local units before its viewport.
    fn shown(&self) -> RectF {
        let (w, h) = self.unscaled();
        self.viewport.source.unwrap_or(RectF { x: 0.0, y: 0.0, w, h })
    }

    /// The part of the buffer that shows, in its pixels.
    pub fn source(&self) -> RectF {
        let r = self.transform.rect_to_buffer(self.shown(), self.unscaled());
        scaled(r, f64::from(self.scale), f64::from(self.scale))
    }

    /// The pixels of the buffer that `rect` of the surface shows, rounded outwards.
    fn buffer_rect(&self, rect: Rect) -> Rect {
        let shown = self.shown();
        let (kx, ky) = (shown.w / f64::from(self.size.w.max(1)), shown.h / f64::from(self.size.h.max(1)));
        let mut r = scaled(to_f(rect), kx, ky);
        (r.x, r.y) = (r.x + shown.x, r.y + shown.y);
        let r = self.transform.rect_to_buffer(r, self.unscaled());
        let grow = if (kx, ky) == (1.0, 1.0) { 0.0 } else { 1.0 };
        outwards(scaled(r, f64::from(self.scale), f64::from(self.scale)), grow)
    }

    /// Where `rect` of the buffer shows in the surface, rounded outwards.
    pub fn surface_rect(&self, rect: Rect) -> Rect {
        let scale = 1.0 / f64::from(self.scale);
        let shown = self.shown();
        let buffer = (f64::from(self.buffer_size.w) * scale, f64::from(self.buffer_size.h) * scale);
        let mut r = self.transform.rect_from_buffer(scaled(to_f(rect), scale, scale), buffer);
        (r.x, r.y) = (r.x - shown.x, r.y - shown.y);
        let (kx, ky) = (f64::from(self.size.w) / shown.w, f64::from(self.size.h) / shown.h);
        outwards(scaled(r, kx, ky), 0.0)
    }
}

fn to_f(r: Rect) -> RectF {
    RectF { x: f64::from(r.x), y: f64::from(r.y), w: f64::from(r.w), h: f64::from(r.h) }
}

fn scaled(r: RectF, kx: f64, ky: f64) -> RectF {
    RectF { x: r.x * kx, y: r.y * ky, w: r.w * kx, h: r.h * ky }
}

/// The whole pixels around `r`, and `grow` more on every side.
fn outwards(r: RectF, grow: f64) -> Rect {
    // `as` saturates, so what is far away stays far away.
    let (x, y) = ((r.x - grow).floor() as i64, (r.y - grow).floor() as i64);
    let (right, bottom) = ((r.x + r.w + grow).ceil() as i64, (r.y + r.h + grow).ceil() as i64);
    Rect::between(x, y, right, bottom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Transform;
    use crate::surface::Viewport;

    fn shown(buffer: Size, scale: i32, transform: Transform, viewport: Viewport) -> Current {
        let mut current = Current { buffer_size: buffer, scale, transform, viewport, ..Current::default() };
        current.size = current.check(&Pending::default()).unwrap();
        current
    }

    #[test]
    fn a_size_must_be_a_multiple_of_the_scale() {
        let current = Current { buffer_size: Size::new(9, 8), ..Current::default() };
        let pending = Pending { scale: Some(2), ..Pending::default() };
        assert_eq!(
            current.check(&pending),
            Err(ContentError::NotMultipleOfScale { buffer: Size::new(9, 8), scale: 2 })
        );
    }

    #[test]
    fn viewports_crop_and_scale() {
        let source = Some(RectF { x: 1.0, y: 2.0, w: 4.0, h: 2.0 });
        let crop = Viewport { source, destination: None };
        let current = shown(Size::new(20, 10), 1, Transform::Normal, crop);
        assert_eq!(current.size, Size::new(4, 2));
        assert_eq!(current.source(), RectF { x: 1.0, y: 2.0, w: 4.0, h: 2.0 });
        let both = Viewport { source, destination: Some(Size::new(40, 40)) };
        assert_eq!(shown(Size::new(20, 10), 1, Transform::Normal, both).size, Size::new(40, 40));
    }

    #[test]
    fn a_source_outside_or_in_fractions_is_refused() {
        let check = |w, destination| {
            let source = Some(RectF { x: 1.0, y: 0.0, w, h: 2.0 });
            let viewport = Some(Viewport { source, destination });
            let current = Current { buffer_size: Size::new(20, 10), ..Current::default() };
            current.check(&Pending { viewport, ..Pending::default() })
        };
        assert_eq!(check(19.5, None), Err(ContentError::FractionalSource(19.5, 2.0)));
        assert_eq!(check(19.5, Some(Size::new(1, 1))), Err(ContentError::SourceOutsideBuffer(20.0, 10.0)));
        assert_eq!(check(19.0, Some(Size::new(3, 1))), Ok(Size::new(3, 1)));
    }

    #[test]
    fn damage_of_a_turned_and_scaled_buffer_is_found_in_the_surface() {
        let current = shown(Size::new(40, 20), 2, Transform::Rotated90, Viewport::default());
        assert_eq!(current.size, Size::new(10, 20));
        let all = Rect::new(0, 0, 40, 20);
        assert_eq!(current.surface_rect(all), Rect::new(0, 0, 10, 20));
        // The surface's top left is stored at the buffer's bottom left.
        assert_eq!(current.surface_rect(Rect::new(0, 18, 2, 2)), Rect::new(0, 0, 1, 1));
        assert_eq!(current.buffer_rect(Rect::new(0, 0, 1, 1)), Rect::new(0, 18, 2, 2));
    }
}
