//! All surfaces, their roles, and the trees that subsurfaces make of them.
//!
//! Surfaces refer to each other by number, so a tree holds no references and destroying any part of
//! it in any order leaves nothing dangling.

use std::collections::HashMap;
use std::sync::Arc;

use selkie_protocols::upstream::wp::linux_drm_syncobj::v1::server::wp_linux_drm_syncobj_surface_v1::WpLinuxDrmSyncobjSurfaceV1;
use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::WpPresentationFeedback;
use selkie_protocols::upstream::wp::viewporter::server::wp_viewport::WpViewport;
use wayland_server::protocol::wl_surface::WlSurface;

use super::{Applied, ContentError, Current, Pending};
use crate::buffer::Path;
use crate::client::ClientState;
use crate::geometry::Point;

/// A surface's number; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SurfaceId(pub u64);

/// What a surface is for. Once given, a role stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Not said yet.
    #[default]
    None,
    /// `wl_subsurface`.
    Subsurface,
    /// `xdg_toplevel`.
    Toplevel,
    /// `xdg_popup`.
    Popup,
    /// `wl_pointer.set_cursor`.
    Cursor,
    /// The icon of `wl_data_device.start_drag`.
    DragIcon,
}

/// A surface's place in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The parent.
    pub parent: SurfaceId,
    /// The place of its top left corner in the parent, in surface-local units.
    pub position: Point,
    /// Whether its commits wait for the parent's (`wl_subsurface.set_sync`).
    pub sync: bool,
}

/// A `wl_surface`.
pub struct Surface {
    /// The protocol object.
    pub resource: WlSurface,
    /// Whose it is.
    pub client: Arc<ClientState>,
    /// What it is for.
    pub role: Role,
    /// What waits for a commit.
    pub pending: Pending,
    /// What was committed and waits for the parent.
    pub cached: Option<Pending>,
    /// What is.
    pub current: Current,
    /// Its place in its parent, if it is a subsurface.
    pub child: Option<Child>,
    /// Itself and its subsurfaces, bottom first.
    pub stack: Vec<SurfaceId>,
    /// Its `wp_viewport`.
    pub viewport: Option<WpViewport>,
    /// Its `wp_linux_drm_syncobj_surface_v1`.
    pub sync: Option<WpLinuxDrmSyncobjSurfaceV1>,
    /// How many states of it were taken aside and are not applied yet.
    pub held: u32,
    /// The order in the last of those that has one.
    pub held_order: Option<Vec<SurfaceId>>,
    /// Whether any of it could be seen in the last frame.
    pub visible: bool,
    /// The path of its last frame.
    pub path: Option<Path>,
    /// Whether any of it was within the output in the last frame, covered or not.
    pub on_output: bool,
    /// Whether it was told so (`wl_surface.enter`).
    pub told_on_output: bool,
}

impl Surface {
    /// Whether a host shows its memory as it is, and tells it itself when to draw the next frame.
    pub fn is_forwarded(&self) -> bool {
        matches!(self.path, Some(Path::Forwarded | Path::Imported))
    }

    /// Frame callbacks that wait, committed or not.
    pub fn waiting_callbacks(&self) -> usize {
        let cached = self.cached.as_ref().map_or(0, |c| c.callbacks.len());
        self.pending.callbacks.len() + cached + self.current.callbacks.len()
    }

    /// Presentation feedback that waits, committed or not.
    pub fn waiting_feedback(&self) -> usize {
        let cached = self.cached.as_ref().map_or(0, |c| c.feedback.len());
        self.pending.feedback.len() + cached + self.current.feedback.len()
    }

    /// What has waited for a parent never comes to be: its buffer is free. Which subsurfaces it has itself, and where, waits on.
    fn forget_cached(&mut self) {
        let Some(mut cached) = self.cached.take() else { return };
        let pending = &mut self.pending;
        cached.merge_children(pending.order.take(), std::mem::take(&mut pending.positions));
        (pending.order, pending.positions) = (cached.order, cached.positions);
        cached.feedback.into_iter().for_each(|feedback| feedback.discarded());
    }

    /// Adds what was asked for to what has waited; its buffer is in use from now on. Returns feedback to discard.
    fn cache(&mut self) -> Vec<WpPresentationFeedback> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.begin_use();
        self.cached.get_or_insert_default().merge(pending)
    }
}

/// A tree that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A surface would be its own ancestor.
    #[error("a surface cannot be its own ancestor")]
    Cycle,
    /// Too many levels.
    #[error("more than {0} levels of subsurfaces")]
    TooDeep(usize),
}

/// What a commit came to.
#[derive(Default)]
pub struct Commit {
    /// The surfaces whose state changed: the one committed, and subsurfaces that waited for it.
    pub applied: Vec<(SurfaceId, Applied)>,
    /// Feedback of content that will never be shown.
    pub discarded: Vec<WpPresentationFeedback>,
}

/// All surfaces.
#[derive(Default)]
pub struct Surfaces {
    all: HashMap<SurfaceId, Surface>,
}

impl Surfaces {
    /// Adds a surface.
    pub fn insert(&mut self, id: SurfaceId, resource: WlSurface, client: Arc<ClientState>) {
        let surface = Surface {
            resource,
            client,
            role: Role::None,
            pending: Pending::default(),
            cached: None,
            current: Current::default(),
            child: None,
            stack: vec![id],
            viewport: None,
            sync: None,
            held: 0,
            held_order: None,
            visible: false,
            path: None,
            on_output: false,
            told_on_output: false,
        };
        self.all.insert(id, surface);
    }

    /// The surface of that number, if it still exists.
    pub fn get(&self, id: SurfaceId) -> Option<&Surface> {
        self.all.get(&id)
    }

    /// The surface of that number, if it still exists.
    pub fn get_mut(&mut self, id: SurfaceId) -> Option<&mut Surface> {
        self.all.get_mut(&id)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SurfaceId, &Surface)> {
        self.all.iter().map(|(id, s)| (*id, s))
    }

    /// All of them, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Surface> {
        self.all.values_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes a surface out; its subsurfaces stay, and show nowhere.
    pub fn remove(&mut self, id: SurfaceId) -> Option<Surface> {
        self.unlink(id);
        // With those that no commit has put there yet.
        let children = self.next_order(id).to_vec();
        let surface = self.all.remove(&id)?;
        for child in children {
            if let Some(child) = self.all.get_mut(&child) {
                child.child = None;
                child.forget_cached();
            }
        }
        Some(surface)
    }

    /// Makes `id` a subsurface of `parent`, on top of its others, synchronised.
    ///
    /// # Errors
    ///
    /// [`TreeError`] if that would close a circle or go too deep.
    pub fn link(&mut self, id: SurfaceId, parent: SurfaceId, max_depth: usize) -> Result<(), TreeError> {
        let above = self.ancestors(parent).count();
        if id == parent || self.ancestors(parent).any(|a| a == id) {
            return Err(TreeError::Cycle);
        }
        if above + 1 + self.height(id) > max_depth {
            return Err(TreeError::TooDeep(max_depth));
        }
        if let Some(surface) = self.all.get_mut(&id) {
            surface.role = Role::Subsurface;
            surface.child = Some(Child { parent, position: Point::default(), sync: true });
        }
        // Adding is double-buffered too: it waits for the parent's commit.
        let mut order = self.next_order(parent).to_vec();
        order.push(id);
        if let Some(parent) = self.all.get_mut(&parent) {
            parent.pending.order = Some(order);
        }
        Ok(())
    }

    /// Takes `id` out of its parent, at once. What has waited for the parent is never applied.
    pub fn unlink(&mut self, id: SurfaceId) {
        let Some(surface) = self.all.get_mut(&id) else { return };
        let Some(child) = surface.child.take() else { return };
        surface.forget_cached();
        if let Some(parent) = self.all.get_mut(&child.parent) {
            parent.stack.retain(|s| *s != id);
            let cached = parent.cached.as_mut().and_then(|c| c.order.as_mut());
            let held = parent.held_order.as_mut();
            for order in [parent.pending.order.as_mut(), cached, held].into_iter().flatten() {
                order.retain(|s| *s != id);
            }
        }
    }

    /// Puts `id` right above (or below) `sibling` in the order that waits for the parent's commit.
    /// Returns whether `sibling` is its parent or a sibling.
    pub fn restack(&mut self, id: SurfaceId, sibling: SurfaceId, above: bool) -> bool {
        let Some(child) = self.get(id).and_then(|s| s.child) else { return false };
        let mut order = self.next_order(child.parent).to_vec();
        let Some(parent) = self.all.get_mut(&child.parent) else { return false };
        if id == sibling || !order.contains(&sibling) {
            return false;
        }
        order.retain(|s| *s != id);
        let at = order.iter().position(|s| *s == sibling).map_or(order.len(), |i| i + usize::from(above));
        order.insert(at, id);
        parent.pending.order = Some(order);
        true
    }

    /// The surface that `id` is a subsurface of, and so on up.
    pub fn ancestors(&self, id: SurfaceId) -> impl Iterator<Item = SurfaceId> + '_ {
        std::iter::successors(Some(id), |s| self.get(*s)?.child.map(|c| c.parent)).skip(1)
    }

    /// The root of the tree that `id` is in.
    pub fn root(&self, id: SurfaceId) -> SurfaceId {
        self.ancestors(id).last().unwrap_or(id)
    }

    fn height(&self, id: SurfaceId) -> usize {
        // Depth is bounded by the limit, so the recursion is.
        self.get(id).map_or(0, |s| {
            s.stack.iter().filter(|c| **c != id).map(|c| 1 + self.height(*c)).max().unwrap_or(0)
        })
    }

    /// Whether commits of `id` wait for a parent.
    pub fn is_synchronised(&self, id: SurfaceId) -> bool {
        std::iter::once(id)
            .chain(self.ancestors(id))
            .any(|s| self.get(s).and_then(|s| s.child).is_some_and(|c| c.sync))
    }

    /// Adds what `id` has asked for to what has waited for a parent, where it waits no longer: both are then applied as a whole,
    /// as `wl_subsurface.set_desync` wants it. Returns feedback to discard, as [`Pending::merge`] does.
    pub fn unite(&mut self, id: SurfaceId) -> Vec<WpPresentationFeedback> {
        let Some(surface) = self.all.get_mut(&id).filter(|s| s.cached.is_some()) else { return Vec::new() };
        let superseded = surface.cache();
        surface.pending = surface.cached.take().unwrap_or_default();
        superseded
    }

    /// Commits what waits at `id`; `now_us` is the time on the monotonic clock in microseconds.
    ///
    /// # Errors
    ///
    /// The surface whose state does not fit, and why.
    pub fn commit(&mut self, id: SurfaceId, now_us: u64) -> Result<Commit, (SurfaceId, ContentError)> {
        let mut commit = Commit::default();
        let waits = self.is_synchronised(id);
        let Some(surface) = self.all.get_mut(&id) else { return Ok(commit) };
        surface.pending.committed_us = now_us;
        if waits {
            commit.discarded = surface.cache();
            // What was taken aside will be applied first; whether they fit is seen then.
            if let Some(cached) = surface.cached.as_ref().filter(|_| surface.held == 0) {
                surface.current.check(cached).map_err(|e| (id, e))?;
            }
            return Ok(commit);
        }
        let pending = std::mem::take(&mut surface.pending);
        self.apply(id, pending, &mut commit)?;
        Ok(commit)
    }

    /// Applies what was waiting for a parent that no longer has to be waited for.
    ///
    /// # Errors
    ///
    /// The surface whose state does not fit, and why.
    pub fn release_cached(&mut self, id: SurfaceId) -> Result<Commit, (SurfaceId, ContentError)> {
        let mut commit = Commit::default();
        if !self.is_synchronised(id)
            && let Some(cached) = self.all.get_mut(&id).and_then(|s| s.cached.take())
        {
            self.apply(id, cached, &mut commit)?;
        }
        Ok(commit)
    }

    fn apply(
        &mut self,
        id: SurfaceId,
        pending: Pending,
        commit: &mut Commit,
    ) -> Result<(), (SurfaceId, ContentError)> {
        self.apply_one(id, pending, commit)?;
        // By index: applying a child cannot change this surface's own order.
        let children = self.all.get(&id).map_or(0, |s| s.stack.len());
        for i in 0..children {
            let Some(child) = self.all.get(&id).and_then(|s| s.stack.get(i)).copied() else { continue };
            if child != id
                && let Some(cached) = self.all.get_mut(&child).and_then(|s| s.cached.take())
            {
                self.apply(child, cached, commit)?;
            }
        }
        Ok(())
    }

    /// Applies a state of one surface, and of no other.
    pub(super) fn apply_one(
        &mut self,
        id: SurfaceId,
        mut pending: Pending,
        commit: &mut Commit,
    ) -> Result<(), (SurfaceId, ContentError)> {
        for (child, position) in pending.positions.drain(..) {
            if let Some(child) = self.all.get_mut(&child).and_then(|s| s.child.as_mut()) {
                child.position = position;
            }
        }
        let Some(surface) = self.all.get_mut(&id) else { return Ok(()) };
        if let Some(order) = pending.order.take() {
            surface.stack = order;
        }
        commit.discarded.append(&mut surface.current.feedback);
        let applied = surface.current.apply(&mut pending).map_err(|e| (id, e))?;
        commit.applied.push((id, applied));
        Ok(())
    }

    /// Visits the tree under `id` from the bottom up, with each surface's place.
    pub fn walk(&self, id: SurfaceId, at: Point, visit: &mut impl FnMut(SurfaceId, &Surface, Point)) {
        let Some(surface) = self.get(id) else { return };
        if !surface.current.has_content() {
            // An unmapped surface hides its subsurfaces.
            return;
        }
        for entry in &surface.stack {
            if *entry == id {
                visit(id, surface, at);
            } else if let Some(child) = self.get(*entry).and_then(|s| s.child) {
                self.walk(*entry, at.offset(child.position), visit);
            }
        }
    }
}
