//! Surfaces: which buffer is committed when, and what is said to have changed in it.

use std::rc::Rc;
use std::time::Instant;

use selkie_compositor::geometry::{Rect, RectF, Size, Transform};
use selkie_compositor::surface::Damage;
use wl_proxy::object::ObjectUtils;
use wl_proxy::protocols::viewporter::wp_viewport::WpViewport;
use wl_proxy::protocols::viewporter::wp_viewporter::{WpViewporter, WpViewporterHandler};
use wl_proxy::protocols::wayland::wl_buffer::WlBuffer;
use wl_proxy::protocols::wayland::wl_callback::{WlCallback, WlCallbackHandler};
use wl_proxy::protocols::wayland::wl_compositor::{WlCompositor, WlCompositorHandler};
use wl_proxy::protocols::wayland::wl_output::WlOutputTransform;
use wl_proxy::protocols::wayland::wl_surface::{WlSurface, WlSurfaceHandler};

use super::Record;
use super::shm::BufferHandler;
use crate::picture::Picture;
use crate::record;

pub(super) struct Compositor(pub Record);

impl WlCompositorHandler for Compositor {
    fn handle_create_surface(&mut self, slf: &Rc<WlCompositor>, id: &Rc<WlSurface>) {
        let mut record = self.0.borrow_mut();
        let index = record.surfaces.len();
        record.surfaces.push(record::Surface::default());
        id.set_handler(Surface {
            record: self.0.clone(),
            index,
            attached: None,
            releases: None,
            damage: Damage::default(),
            surface_damage: Vec::new(),
            scale: 1,
            transform: Transform::Normal,
            scaled: false,
            before: None,
        });
        slf.send_create_surface(id);
    }
}

/// More rectangles of a commit than this are not kept; its damage is not compared then.
const MOST_RECTANGLES: usize = 1024;

struct Surface {
    record: Record,
    index: usize,
    /// The buffer that the next commit shows.
    attached: Option<usize>,
    /// What says when that commit's buffer is released.
    releases: Option<Rc<WlCallback>>,
    /// In pixels of the buffer.
    damage: Damage,
    /// In units of the surface, which the buffer of the commit turns into pixels.
    surface_damage: Vec<Rect>,
    scale: i32,
    transform: Transform,
    /// It has a viewport, so that its units are of another size.
    scaled: bool,
    /// What the last commit showed, to be compared with the next.
    before: Option<Picture>,
}

impl WlSurfaceHandler for Surface {
    fn handle_attach(&mut self, slf: &Rc<WlSurface>, buffer: Option<&Rc<WlBuffer>>, x: i32, y: i32) {
        self.attached =
            buffer.and_then(|b| b.try_get_handler_ref::<BufferHandler>().ok().map(|handler| handler.index));
        if buffer.is_none() {
            self.before = None;
        }
        slf.send_attach(buffer, x, y);
    }

    fn handle_damage(&mut self, slf: &Rc<WlSurface>, x: i32, y: i32, width: i32, height: i32) {
        if self.surface_damage.len() <= MOST_RECTANGLES {
            self.surface_damage.push(Rect::new(x, y, width, height));
        }
        slf.send_damage(x, y, width, height);
    }

    fn handle_damage_buffer(&mut self, slf: &Rc<WlSurface>, x: i32, y: i32, width: i32, height: i32) {
        self.damage.add(Rect::new(x, y, width, height));
        slf.send_damage_buffer(x, y, width, height);
    }

    fn handle_set_buffer_transform(&mut self, slf: &Rc<WlSurface>, transform: WlOutputTransform) {
        let number = usize::try_from(transform.0).unwrap_or(usize::MAX);
        self.transform = Transform::ALL.get(number).copied().unwrap_or_default();
        slf.send_set_buffer_transform(transform);
    }

    fn handle_set_buffer_scale(&mut self, slf: &Rc<WlSurface>, scale: i32) {
        self.scale = scale.max(1);
        slf.send_set_buffer_scale(scale);
    }

    fn handle_get_release(&mut self, slf: &Rc<WlSurface>, callback: &Rc<WlCallback>) {
        self.releases = Some(callback.clone());
        slf.send_get_release(callback);
    }

    fn handle_commit(&mut self, slf: &Rc<WlSurface>) {
        if let Some(buffer) = self.attached.take() {
            if let Some(callback) = self.releases.take() {
                callback.set_handler(Release { record: self.record.clone(), buffer });
            }
            self.commit(buffer);
        }
        slf.send_commit();
    }
}

impl Surface {
    /// Writes down that `buffer` is to be shown now, and compares it with what was shown before, now and then.
    fn commit(&mut self, buffer: usize) {
        let surface_damage = std::mem::take(&mut self.surface_damage);
        let mut damage = std::mem::take(&mut self.damage);
        let before = self.before.take();
        let began = Instant::now();
        let mut record = self.record.borrow_mut();
        let free = record.budget.allows();
        let found = record.buffers.get(buffer).filter(|_| free || before.is_some());
        let size = found.map(|b| Size::new(b.layout.width, b.layout.height));
        let picture = found.and_then(record::Buffer::picture);
        let known = surface_damage.is_empty() || (!self.scaled && surface_damage.len() <= MOST_RECTANGLES);
        if let (Some(picture), Some(before), Some(size), true) = (&picture, &before, size, known) {
            surface_damage.iter().for_each(|r| damage.add(to_buffer(*r, size, self.scale, self.transform)));
            if let Some(compared) = picture.compare(before, &damage)
                && let Some(surface) = record.surfaces.get_mut(self.index)
            {
                surface.compared(compared);
            }
        }
        record.committed(buffer, picture.as_ref());
        if picture.is_some() {
            record.budget.spent(began);
        }
        if let Some(surface) = record.surfaces.get_mut(self.index) {
            surface.commits += 1;
        }
        self.before = picture.filter(|_| free);
    }
}

/// A rectangle of a surface as a rectangle of its buffer.
fn to_buffer(rect: Rect, buffer: Size, scale: i32, transform: Transform) -> Rect {
    let scale = f64::from(scale);
    let surface = buffer.transformed(transform);
    let surface = (f64::from(surface.w) / scale, f64::from(surface.h) / scale);
    let part = |n: i32| f64::from(n);
    // Many damage more than there is, as much as there can be.
    let (x, y) = (part(rect.x).max(0.0), part(rect.y).max(0.0));
    let right = (part(rect.x) + part(rect.w)).min(surface.0);
    let bottom = (part(rect.y) + part(rect.h)).min(surface.1);
    let inside = RectF { x, y, w: (right - x).max(0.0), h: (bottom - y).max(0.0) };
    let r = transform.rect_to_buffer(inside, surface);
    // Within the buffer, so within an i32.
    let (x, y) = ((r.x * scale).floor() as i32, (r.y * scale).floor() as i32);
    let (right, bottom) = (((r.x + r.w) * scale).ceil() as i32, ((r.y + r.h) * scale).ceil() as i32);
    Rect::new(x, y, right - x, bottom - y)
}

/// `wl_surface.get_release`: a release of that one commit.
struct Release {
    record: Record,
    buffer: usize,
}

impl WlCallbackHandler for Release {
    fn handle_done(&mut self, slf: &Rc<WlCallback>, data: u32) {
        self.record.borrow_mut().released(self.buffer);
        slf.send_done(data);
    }
}

pub(super) struct Viewporter;

impl WpViewporterHandler for Viewporter {
    fn handle_get_viewport(&mut self, slf: &Rc<WpViewporter>, id: &Rc<WpViewport>, surface: &Rc<WlSurface>) {
        if let Ok(mut surface) = surface.try_get_handler_mut::<Surface>() {
            surface.scaled = true;
        }
        slf.send_get_viewport(id, surface);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_of_a_surface_is_found_in_its_buffer() {
        let buffer = Size::new(200, 100);
        let map = |rect, scale, transform| to_buffer(rect, buffer, scale, transform);
        let rect = Rect::new(10, 20, 30, 5);
        assert_eq!(map(rect, 1, Transform::Normal), rect);
        assert_eq!(map(rect, 2, Transform::Normal), Rect::new(20, 40, 60, 10));
        assert_eq!(map(rect, 1, Transform::Rotated180), Rect::new(160, 75, 30, 5));
        let all = Rect::new(0, 0, i32::MAX, i32::MAX);
        for transform in Transform::ALL {
            assert_eq!(map(all, 1, transform), Rect::new(0, 0, 200, 100), "{transform:?}");
            assert_eq!(map(all, 2, transform), Rect::new(0, 0, 200, 100), "{transform:?}");
        }
        assert_eq!(map(Rect::new(-5, -5, 5, 5), 1, Transform::Normal), Rect::new(0, 0, 0, 0));
    }
}
