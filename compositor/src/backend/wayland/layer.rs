//! One surface of the host on top of our window's own: where it is, and what it shows.

use std::collections::VecDeque;
use std::sync::Arc;

use wayland_client::protocol::{wl_buffer, wl_output, wl_region, wl_subsurface, wl_surface};

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_feedback_v1::ZwpLinuxDmabufFeedbackV1;
use selkie_protocols::upstream::wp::viewporter::client::wp_viewport::WpViewport;

use super::dmabuf::HostDmaBuffer;
use super::swapchain::Swapchain;
use crate::backend::placement::Place;
use crate::buffer::BufferUse;
use crate::geometry::{Point, Rect, RectF, Region, Size, Transform, clamp};
use crate::scene::{Element, ElementId};
use crate::surface::{Damage, rects};

/// One surface on top of the window's.
pub(super) struct Layer {
    pub number: u64,
    pub id: ElementId,
    pub surface: wl_surface::WlSurface,
    pub subsurface: wl_subsurface::WlSubsurface,
    pub viewport: Option<WpViewport>,
    pub place: Option<Place>,
    /// Where the host was last told that it is, in pixels.
    pub lies: Rect,
    pub opaque: Region,
    pub shows: Shows,
    /// What it showed until the frame that is being made: the host is to have that until it has this.
    pub showed: Shows,
    /// The client's frame callbacks that the host was asked for: with which commit, and how many.
    pub asked: VecDeque<(u64, usize)>,
    /// Whether a frame callback of our own is still to come.
    pub waiting: bool,
    pub swapchain: Option<Swapchain>,
    /// What the host would like the element's dma-bufs to be, if its client wants to know.
    pub feedback: Option<ZwpLinuxDmabufFeedbackV1>,
    /// Whether there is something to be committed.
    pub changed: bool,
    /// Whether the element is in the frame that is being made.
    pub stays: bool,
}

/// What a layer shows at the host.
pub(super) enum Shows {
    Nothing,
    /// A client's memory.
    Export(Arc<BufferUse>, wl_buffer::WlBuffer, Option<Arc<HostDmaBuffer>>),
    /// A picture of ours.
    Drawn(Picture),
}

/// What a picture of an element depends on, besides its content.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Picture {
    pub source: RectF,
    pub transform: Transform,
    pub size: Size,
    /// The part of the element that it shows.
    pub part: Rect,
}

impl Picture {
    pub fn of(element: &Element, visible: Rect) -> Self {
        let Element { source, transform, dest, .. } = *element;
        let part = Rect::at(visible.origin().relative_to(dest.origin()), visible.size());
        Self { source, transform, size: dest.size(), part }
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // In the order that the protocols want.
        if let Some(feedback) = &self.feedback {
            feedback.destroy();
        }
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        self.subsurface.destroy();
        self.surface.destroy();
    }
}

impl Layer {
    /// Gives it its place; returns whether its content shows differently now.
    pub fn set_place(&mut self, place: Place) -> bool {
        let before = self.place.replace(place);
        if before.is_none_or(|b| b.at != place.at) {
            self.subsurface.set_position(place.at.x, place.at.y);
        }
        let look = |p: &Place| (p.transform, p.scale, p.source, p.destination);
        if before.as_ref().map(look) == Some(look(&place)) {
            return false;
        }
        self.surface.set_buffer_transform(to_wire(place.transform));
        self.surface.set_buffer_scale(place.scale);
        if let Some(viewport) = &self.viewport {
            // -1 is none.
            let RectF { x, y, w, h } = place.source.unwrap_or(RectF { x: -1.0, y: -1.0, w: -1.0, h: -1.0 });
            viewport.set_source(x, y, w, h);
            let Size { w, h } = place.destination.unwrap_or(Size::new(-1, -1));
            viewport.set_destination(w, h);
        }
        true
    }

    /// Tells where nothing below can be seen, in the host's units; returns whether that is news.
    pub fn set_opaque(&mut self, opaque: Region, make: impl FnOnce() -> wl_region::WlRegion) -> bool {
        if self.opaque == opaque {
            return false;
        }
        let region = make();
        rects(&opaque).for_each(|r| region.add(r.x, r.y, r.w, r.h));
        self.surface.set_opaque_region(Some(&region));
        region.destroy();
        self.opaque = opaque;
        true
    }
}

/// Where nothing below `element` can be seen, in the units of its layer, of which `visible` shows.
pub(super) fn opaque_part(element: &Element, visible: Rect, unit: i32) -> Region {
    // The host knows that by itself of a format without alpha.
    if element.content.format().is_opaque() || !element.opaque.is_non_empty() {
        return Region::default();
    }
    let mut opaque = Damage::default();
    for r in rects(&element.opaque) {
        let r = r.intersect(visible).offset(Point::new(-visible.x, -visible.y));
        // Whole units only: a part of one is not opaque.
        let up = |v: i32| clamp((i64::from(v) + i64::from(unit) - 1) / i64::from(unit));
        let (left, top) = (up(r.x), up(r.y));
        opaque.add(Rect::new(left, top, r.right() / unit - left, r.bottom() / unit - top));
    }
    opaque.region().clone()
}

fn to_wire(transform: Transform) -> wl_output::Transform {
    match transform {
        Transform::Normal => wl_output::Transform::Normal,
        Transform::Rotated90 => wl_output::Transform::_90,
        Transform::Rotated180 => wl_output::Transform::_180,
        Transform::Rotated270 => wl_output::Transform::_270,
        Transform::Flipped => wl_output::Transform::Flipped,
        Transform::Flipped90 => wl_output::Transform::Flipped90,
        Transform::Flipped180 => wl_output::Transform::Flipped180,
        Transform::Flipped270 => wl_output::Transform::Flipped270,
    }
}
