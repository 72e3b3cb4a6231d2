//! What a client has asked for and not yet committed, and how two such wishes become one.

use std::sync::Arc;

use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::WpPresentationFeedback;
use wayland_server::protocol::wl_callback::WlCallback;

use super::SurfaceId;
use crate::buffer::{Buffer, BufferUse, Release, Shadow, SyncPoint};
use crate::geometry::{Point, Rect, RectF, Region, Size, Transform, extents};
use crate::scene::Content;

/// More rectangles than this become their bounding box: a client cannot make its damage cost more
/// than redrawing everything would.
const MAX_RECTANGLES: usize = 256;

/// Damage as it is collected: a region that cannot grow out of hand.
#[derive(Clone, Default)]
pub struct Damage(Region);

impl Damage {
    /// Adds a rectangle; an empty one adds nothing.
    pub fn add(&mut self, rect: Rect) {
        if rect.is_empty() {
            return;
        }
        let (w, h) = (rect.right() as i64 - rect.x as i64, rect.bottom() as i64 - rect.y as i64);
        self.0 = self.0.union_rect(rect.x, rect.y, w as u32, h as u32);
        self.bound();
    }

    /// Adds everything that `other` has.
    pub fn merge(&mut self, other: &Damage) {
        self.merge_region(&other.0);
    }

    /// Adds a region.
    pub fn merge_region(&mut self, other: &Region) {
        if other.is_non_empty() {
            self.0 = self.0.union(other);
            self.bound();
        }
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        !self.0.is_non_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The rectangles.
    pub fn rects(&self) -> impl Iterator<Item = Rect> + '_ {
        rects(&self.0)
    }

    fn bound(&mut self) {
        if self.0.n_rects() > MAX_RECTANGLES {
            self.0 = bounds(&self.0).to_region();
        }
    }
}

/// The rectangles of a region.
pub fn rects(region: &Region) -> impl Iterator<Item = Rect> + '_ {
    region.rectangles().iter().map(Rect::from)
}

/// The smallest rectangle around a region.
pub fn bounds(region: &Region) -> Rect {
    extents(region)
}

/// A region in surface-local units, scaled to pixels of the output and moved to `origin` there.
pub fn to_output(region: &Region, origin: Point, scale: i32) -> Region {
    let px = |v: i32, origin: i32| i64::from(v) * i64::from(scale) + i64::from(origin);
    // pixman adds without a look, and what overflows wraps around.
    let fits = |v: i32, origin: i32| i32::try_from(px(v, origin)).is_ok();
    let fit = |b: &pixman::Box32| {
        fits(b.x1, origin.x) && fits(b.x2, origin.x) && fits(b.y1, origin.y) && fits(b.y2, origin.y)
    };
    if scale == 1 && region.rectangles().iter().all(fit) {
        let mut moved = region.clone();
        moved.translate(origin.x, origin.y);
        return moved;
    }
    let mut out = Damage::default();
    for b in region.rectangles() {
        out.add(Rect::between(
            px(b.x1, origin.x),
            px(b.y1, origin.y),
            px(b.x2, origin.x),
            px(b.y2, origin.y),
        ));
    }
    out.0
}

/// `wl_surface.attach`.
#[derive(Clone)]
pub enum Attach {
    /// No buffer: the surface has no content any more.
    Null,
    /// That buffer.
    Buffer(Arc<Buffer>),
}

/// `wp_viewport`'s part of the state.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Viewport {
    /// The part to show, in surface-local units before scaling by the viewport.
    pub source: Option<RectF>,
    /// The size to show it at, in surface-local units.
    pub destination: Option<Size>,
}

/// State that waits for a commit: `None` and empty mean unchanged.
#[derive(Default)]
pub struct Pending {
    /// The new content.
    pub attach: Option<Attach>,
    /// How much the content's top left corner moves, in surface-local units.
    pub offset: Point,
    /// What changed, in surface-local units.
    pub surface_damage: Damage,
    /// What changed, in the buffer's pixels.
    pub buffer_damage: Damage,
    /// Pixels of the buffer per surface-local unit.
    pub scale: Option<i32>,
    /// How the content was turned.
    pub transform: Option<Transform>,
    /// Where nothing below can be seen.
    pub opaque: Option<Region>,
    /// Where input is accepted; `Some(None)` is everywhere.
    pub input: Option<Option<Region>>,
    /// The viewport.
    pub viewport: Option<Viewport>,
    /// To be told when the commit has been shown and the next frame may be drawn.
    pub callbacks: Vec<WlCallback>,
    /// To be told when the commit's content turned to light.
    pub feedback: Vec<WpPresentationFeedback>,
    /// To be told when the buffer of this commit is free; none once its use has begun.
    pub release: Vec<Release>,
    /// When the buffer's content is done.
    pub acquire: Option<SyncPoint>,
    /// What becomes one of `release` with the commit.
    pub release_point: Option<SyncPoint>,
    /// New places of subsurfaces of this surface.
    pub positions: Vec<(SurfaceId, Point)>,
    /// The new order of this surface and its subsurfaces.
    pub order: Option<Vec<SurfaceId>>,
    /// When the client committed, in microseconds of the monotonic clock; 0 before the commit.
    pub committed_us: u64,
    /// A use that began when the state was cached, so that the client does not get its buffer back.
    pub hold: Option<Arc<BufferUse>>,
}

impl Pending {
    /// Its buffer is in use from now on, though it is applied later: whoever wants to know the end of that is told, whatever
    /// becomes of this state.
    pub fn begin_use(&mut self) {
        if let (Some(Attach::Buffer(buffer)), None) = (&self.attach, &self.hold) {
            let used = BufferUse::new(buffer.clone());
            used.notify(&mut self.release);
            self.hold = Some(Arc::new(used));
        }
    }

    /// Makes one state of this one and a later one.
    ///
    /// Feedback of content that is replaced before it could be shown is returned: it is to be
    /// discarded.
    pub fn merge(&mut self, later: Pending) -> Vec<WpPresentationFeedback> {
        let mut superseded = Vec::new();
        if later.attach.is_some() {
            self.attach = later.attach;
            self.hold = later.hold;
            self.acquire = later.acquire;
        }
        superseded.append(&mut self.feedback);
        self.feedback = later.feedback;
        self.offset = self.offset.offset(later.offset);
        self.surface_damage.merge(&later.surface_damage);
        self.buffer_damage.merge(&later.buffer_damage);
        self.scale = later.scale.or(self.scale);
        self.transform = later.transform.or(self.transform);
        self.viewport = later.viewport.or(self.viewport);
        if later.opaque.is_some() {
            self.opaque = later.opaque;
        }
        if later.input.is_some() {
            self.input = later.input;
        }
        self.merge_children(later.order, later.positions);
        self.callbacks.extend(later.callbacks);
        self.committed_us = later.committed_us;
        superseded
    }

    /// The part of [`Pending::merge`] that is about subsurfaces.
    pub(super) fn merge_children(
        &mut self,
        order: Option<Vec<SurfaceId>>,
        positions: Vec<(SurfaceId, Point)>,
    ) {
        self.order = order.or(self.order.take());
        self.positions.retain(|(child, _)| positions.iter().all(|(moved, _)| moved != child));
        self.positions.extend(positions);
    }
}

/// State that has been committed and applied.
pub struct Current {
    /// The buffer, kept from the client as long as it shows; none where a shadow shows instead.
    pub buffer: Option<Arc<BufferUse>>,
    /// The private copy of memory that is never mapped.
    pub shadow: Option<Arc<Shadow>>,
    /// Which buffer it was, for the ledger, whether or not it is still in use.
    pub last_buffer: Option<Arc<Buffer>>,
    /// The buffer's size in pixels; empty without content.
    pub buffer_size: Size,
    /// Pixels of the buffer per surface-local unit.
    pub scale: i32,
    /// How the content was turned.
    pub transform: Transform,
    /// The viewport.
    pub viewport: Viewport,
    /// The surface's size in surface-local units; empty without content.
    pub size: Size,
    /// Where nothing below can be seen.
    pub opaque: Region,
    /// Where input is accepted; `None` is everywhere.
    pub input: Option<Region>,
    /// What changed since the last frame, in surface-local units.
    pub damage: Damage,
    /// Frame callbacks that wait for the next frame.
    pub callbacks: Vec<WlCallback>,
    /// How many of those, from the first, the last frame was for.
    pub due: usize,
    /// Feedback that waits for the next frame.
    pub feedback: Vec<WpPresentationFeedback>,
    /// When the content that shows was committed, in microseconds of the monotonic clock.
    pub committed_us: u64,
    /// Whether the content has changed since it was last put into the ledger.
    pub fresh: bool,
    /// Bytes read by pread(2) for the content since it was last put into the ledger.
    pub shadow_bytes: u64,
}

impl Default for Current {
    fn default() -> Self {
        Self {
            buffer: None,
            shadow: None,
            last_buffer: None,
            buffer_size: Size::default(),
            scale: 1,
            transform: Transform::Normal,
            viewport: Viewport::default(),
            size: Size::default(),
            opaque: Region::default(),
            input: None,
            damage: Damage::default(),
            callbacks: Vec::new(),
            due: 0,
            feedback: Vec::new(),
            committed_us: 0,
            fresh: false,
            shadow_bytes: 0,
        }
    }
}

impl Current {
    /// Where its pixels come from; `None` without content.
    pub fn content(&self) -> Option<Content> {
        match (&self.buffer, &self.shadow) {
            (Some(used), _) => Some(Content::Buffer(used.clone())),
            (None, Some(shadow)) => Some(Content::Shadow(shadow.clone())),
            (None, None) => None,
        }
    }

    /// Whether it has content.
    pub fn has_content(&self) -> bool {
        self.buffer.is_some() || self.shadow.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_wish_wins_and_the_rest_stays() {
        let mut first = Pending { scale: Some(2), offset: Point::new(1, 2), ..Pending::default() };
        first.surface_damage.add(Rect::new(0, 0, 2, 2));
        let mut later = Pending { transform: Some(Transform::Flipped), ..Pending::default() };
        later.offset = Point::new(i32::MAX, 3);
        later.surface_damage.add(Rect::new(4, 0, 2, 2));
        assert!(first.merge(later).is_empty());
        assert_eq!(first.scale, Some(2));
        assert_eq!(first.transform, Some(Transform::Flipped));
        assert_eq!(first.offset, Point::new(i32::MAX, 5));
        assert_eq!(first.surface_damage.rects().count(), 2);
    }

    #[test]
    fn scattered_damage_becomes_its_bounding_box() {
        let mut damage = Damage::default();
        for i in 0..=MAX_RECTANGLES as i32 {
            damage.add(Rect::new(2 * i, 3 * i, 1, 1));
        }
        assert_eq!(damage.rects().collect::<Vec<_>>(), [Rect::new(0, 0, 513, 769)]);
    }

    #[test]
    fn damage_as_wide_as_the_world_is_kept() {
        let far = i32::MIN + 1;
        let mut damage = Damage::default();
        damage.add(Rect::new(far, 0, i32::MAX, 9));
        damage.add(Rect::new(0, 0, i32::MAX, 9));
        // pixman makes one box of both, and its width is no i32.
        assert_eq!(damage.rects().collect::<Vec<_>>(), [Rect::new(0, 0, i32::MAX, 9)]);
        assert_eq!(bounds(damage.region()), Rect::new(0, 0, i32::MAX, 9));
        for scale in [1, 2] {
            let output = to_output(damage.region(), Point::new(far, -9), scale);
            let shown = rects(&output).next().unwrap();
            assert_eq!(
                (shown.right(), shown.bottom()),
                (if scale == 1 { 0 } else { i32::MAX }, 9 * scale - 9)
            );
        }
    }

    #[test]
    fn damage_far_down_does_not_come_back_at_the_top() {
        let region = Rect::new(12, 0, 130, i32::MAX - 95).to_region();
        let output = to_output(&region, Point::new(5, 248), 1);
        assert_eq!(rects(&output).collect::<Vec<_>>(), [Rect::new(17, 248, 130, i32::MAX - 248)]);
    }

    #[test]
    fn damage_at_the_end_of_the_world_is_kept() {
        let mut damage = Damage::default();
        damage.add(Rect::new(i32::MAX - 5, 0, i32::MAX, i32::MAX));
        damage.add(Rect::new(i32::MIN, i32::MIN, i32::MAX, i32::MAX));
        damage.add(Rect::new(0, 0, -1, 5));
        assert_eq!(damage.rects().count(), 2);
    }
}
