//! Commits that are not applied at once: what they would change is taken aside, and applied as a whole later.
//!
//! A state that was taken aside stays the business of its surface: what is committed after it must wait behind it, and
//! what refers to the order of subsurfaces counts from there.

use super::{Attach, Commit, ContentError, Pending, SurfaceId, Surfaces};
use crate::buffer::{Buffer, SyncPoint};
use std::sync::Arc;

/// The states that one commit applies: the committed surface's first, then those of subsurfaces that waited for it.
pub struct States(pub Vec<(SurfaceId, Pending)>);

/// Which state of a surface begins a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The one that a client builds: `wl_surface.commit`.
    Pending,
    /// The one that has waited for a parent: `wl_subsurface.set_desync`.
    Cached,
}

impl Surfaces {
    /// The surfaces that a transaction of `id` would change: itself and the subsurfaces that wait for it.
    pub fn affected(&self, id: SurfaceId) -> Vec<SurfaceId> {
        let mut all = vec![id];
        let mut next = 0;
        while let Some(parent) = all.get(next).copied() {
            next += 1;
            let waits =
                |child: &SurfaceId| *child != parent && self.get(*child).is_some_and(|s| s.cached.is_some());
            all.extend(self.next_order(parent).iter().copied().filter(waits));
        }
        all
    }

    /// The order of `id` and its subsurfaces after everything that was asked for.
    pub(super) fn next_order(&self, id: SurfaceId) -> &[SurfaceId] {
        let Some(surface) = self.get(id) else { return &[] };
        let cached = surface.cached.as_ref().and_then(|c| c.order.as_ref());
        surface.pending.order.as_ref().or(cached).or(surface.held_order.as_ref()).unwrap_or(&surface.stack)
    }

    /// Whether any of `ids` has a state that was taken aside and not yet applied.
    pub fn any_held(&self, ids: &[SurfaceId]) -> bool {
        ids.iter().any(|id| self.get(*id).is_some_and(|s| s.held > 0))
    }

    /// The buffers that a transaction of `ids` would attach, and when their content is done, where the client has said that.
    pub fn attached(
        &self,
        ids: &[SurfaceId],
        from: From,
    ) -> impl Iterator<Item = (SurfaceId, &Arc<Buffer>, Option<&SyncPoint>)> {
        ids.iter().enumerate().filter_map(move |(i, id)| {
            let surface = self.get(*id)?;
            let state = if i == 0 && from == From::Pending {
                Some(&surface.pending)
            } else {
                surface.cached.as_ref()
            };
            let state = state?;
            match &state.attach {
                Some(Attach::Buffer(buffer)) => Some((*id, buffer, state.acquire.as_ref())),
                Some(Attach::Null) | None => None,
            }
        })
    }

    /// Takes a transaction aside. Its buffers are in use from now on.
    pub fn take_aside(&mut self, ids: &[SurfaceId], from: From, now_us: u64) -> States {
        let mut states = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            let Some(surface) = self.get_mut(*id) else { continue };
            let state = if i == 0 && from == From::Pending {
                let committed = Pending { committed_us: now_us, ..std::mem::take(&mut surface.pending) };
                Some(committed)
            } else {
                surface.cached.take()
            };
            let Some(mut state) = state else { continue };
            state.begin_use();
            if state.order.is_some() {
                surface.held_order.clone_from(&state.order);
            }
            surface.held += 1;
            states.push((*id, state));
        }
        States(states)
    }

    /// Applies what was taken aside.
    ///
    /// # Errors
    ///
    /// The surface whose state does not fit, and why.
    pub fn apply_aside(&mut self, States(states): States) -> Result<Commit, (SurfaceId, ContentError)> {
        let mut commit = Commit::default();
        for (id, mut state) in states {
            self.let_go(id);
            if let Some(order) = &mut state.order {
                // Some may have left meanwhile.
                order.retain(|s| {
                    *s == id || self.get(*s).and_then(|s| s.child).is_some_and(|c| c.parent == id)
                });
            }
            self.apply_one(id, state, &mut commit)?;
        }
        Ok(commit)
    }

    /// A state of `id` that was taken aside is no more.
    pub fn let_go(&mut self, id: SurfaceId) {
        if let Some(surface) = self.get_mut(id) {
            surface.held = surface.held.saturating_sub(1);
            if surface.held == 0 {
                surface.held_order = None;
            }
        }
    }
}
