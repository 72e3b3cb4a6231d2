//! Commits that wait until their buffers are done.
//!
//! A client may commit a dma-buf that a device still draws into; the dma-buf then has a fence, or the client has named the
//! point of a timeline at which it is done. The commit, and every subsurface's state that goes with it, is taken aside until
//! that is signalled, and later commits of the same surfaces wait behind it. The loop sleeps meanwhile; nobody else notices.
//!
//! A fence only matters to what is composed, which the CPU reads: a host that shows the dma-buf as it is waits for the fence
//! there. Of a point it knows nothing, so that is waited for here in any case.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use calloop::generic::Generic;
use calloop::{Interest, Mode, PostAction, RegistrationToken};
use shm_core::dmabuf::Access;
use wayland_server::Resource;

use crate::buffer::{Buffer, Path};
use crate::client::{ClientState, Counted};
use crate::dispatch::post;
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Rect;
use crate::server::Server;
use crate::shell::ShellWish;
use crate::surface::{From, Role, States, Surface, SurfaceId};

/// All commits that wait, by client and in the order in which they came.
#[derive(Default)]
pub(crate) struct HeldCommits {
    by_client: HashMap<u64, Vec<Held>>,
    /// Surfaces that are to be drawn again when nobody writes their dma-bufs any more.
    idle: HashMap<SurfaceId, RegistrationToken>,
}

#[cfg(feature = "fuzzing")]
impl HeldCommits {
    /// How many commits and surfaces wait.
    pub fn len(&self) -> usize {
        self.by_client.values().map(Vec::len).sum::<usize>() + self.idle.len()
    }
}

/// A commit that waits.
struct Held {
    states: States,
    /// What the window was asked for when it was committed.
    wish: Option<ShellWish>,
    fences: Vec<Fence>,
}

/// A fence, or a point, that has not signalled.
struct Fence {
    number: u64,
    surface: SurfaceId,
    token: RegistrationToken,
}

/// Whether `surface` shows `buffer` by our reading it.
fn is_read(surface: &Surface, buffer: &Buffer) -> bool {
    surface.path != Some(Path::Forwarded) && buffer.dmabuf().is_some_and(|image| image.is_readable())
}

impl Server {
    /// Takes the commit of `id` aside if it has to wait; returns whether it has.
    pub fn hold_back(&mut self, id: SurfaceId, from: From) -> Result<bool, ProtocolError> {
        let Some(surface) = self.surfaces.get(id) else { return Ok(false) };
        let client = surface.client.clone();
        if client.counts.dmabufs.load(Ordering::Relaxed) == 0
            && !self.held.by_client.contains_key(&client.key)
        {
            return Ok(false);
        }
        let ids = self.surfaces.affected(id);
        let mut waits: Vec<(SurfaceId, OwnedFd)> = Vec::new();
        for (id, buffer, acquire) in self.surfaces.attached(&ids, from) {
            if let Some(point) = acquire {
                let fd =
                    point.wait().inspect_err(|e| tracing::error!("cannot wait for an acquire point: {e}"));
                waits.extend(fd.ok().flatten().map(|fd| (id, fd)));
            } else if let (Some(surface), Some(image)) = (self.surfaces.get(id), buffer.dmabuf())
                && is_read(surface, buffer)
            {
                waits.extend(image.fences(Access::Read).into_iter().map(|fd| (id, fd)));
            }
        }
        if waits.is_empty() && !self.surfaces.any_held(&ids) {
            return Ok(false);
        }
        let waiting = self.held.by_client.get(&client.key);
        let states: usize = waiting.into_iter().flatten().map(|h| h.states.0.len()).sum();
        if states + ids.len() > client.limits.held_states {
            let limit = client.limits.held_states;
            let message =
                format!("more than {limit} states of surfaces wait for dma-bufs that are still written");
            return Err(ProtocolError::no_memory(message));
        }
        let states = self.surfaces.take_aside(&ids, from, crate::clock::now_us());
        let wish = self.shell_wish(id);
        let wanted = waits.len();
        let mut fences = Vec::with_capacity(wanted);
        for (surface, fd) in waits {
            let number = self.next_id();
            let key = client.key;
            let token = self.watch(fd, &client, move |server| server.fence_signalled(key, number));
            fences.extend(token.map(|token| Fence { number, surface, token }));
        }
        tracing::trace!(client = client.key, surface = id.0, fences = fences.len(), "commit waits");
        let cannot_wait = fences.len() < wanted;
        self.held.by_client.entry(client.key).or_default().push(Held { states, wish, fences });
        if cannot_wait {
            // Without an fd to wait with there may be nothing left to wait for.
            self.apply_ready(client.key);
        }
        Ok(true)
    }

    /// Has `then` done once `fd` is readable; `None` if that cannot be waited for.
    fn watch(
        &self,
        fd: OwnedFd,
        client: &Arc<ClientState>,
        then: impl FnOnce(&mut Server) + 'static,
    ) -> Option<RegistrationToken> {
        let counted = Counted::add(client, |c| &c.fences);
        let mut then = Some((then, counted));
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, move |_, _, server: &mut Server| {
            if let Some((then, counted)) = then.take() {
                drop(counted);
                then(server);
            }
            Ok(PostAction::Remove)
        });
        inserted.inspect_err(|e| tracing::error!("cannot wait for a fence: {e}")).ok()
    }

    fn fence_signalled(&mut self, client: u64, number: u64) {
        for held in self.held.by_client.get_mut(&client).into_iter().flatten() {
            // The source of this one removes itself.
            held.fences.retain(|f| f.number != number);
        }
        self.apply_ready(client);
    }

    /// Applies what need not wait any longer: no fence, and nothing before it on the same surfaces.
    fn apply_ready(&mut self, client: u64) {
        loop {
            let Some(waiting) = self.held.by_client.get_mut(&client) else { return };
            let mut before = HashSet::new();
            let ready = waiting.iter().position(|held| {
                let free = held.fences.is_empty() && held.states.0.iter().all(|(id, _)| !before.contains(id));
                before.extend(held.states.0.iter().map(|(id, _)| *id));
                free
            });
            let held = ready.map(|i| waiting.remove(i));
            if waiting.is_empty() {
                self.held.by_client.remove(&client);
            }
            let Some(Held { states, wish, .. }) = held else { return };
            let Some(root) = states.0.first().map(|(id, _)| *id) else { continue };
            let later = wish.and_then(|wish| self.swap_wish(root, wish));
            let outcome = self.surfaces.apply_aside(states);
            let outcome = self.committed(outcome);
            if let Some(later) = later {
                self.restore_wish(root, later);
            }
            self.complain(root, outcome);
        }
    }

    /// What was asked for in a commit that is applied later cannot be answered, only punished.
    fn complain(&mut self, id: SurfaceId, outcome: Outcome) {
        let (Err(error), Some(surface)) = (outcome, self.surfaces.get(id)) else { return };
        post(&self.display, &surface.client, surface.resource.id(), error);
    }

    /// A surface is gone, and what waits of it.
    pub fn held_surface_gone(&mut self, id: SurfaceId, client: u64) {
        if let Some(token) = self.held.idle.remove(&id) {
            self.handle.remove(token);
        }
        let Some(waiting) = self.held.by_client.get_mut(&client) else { return };
        for held in waiting.iter_mut() {
            for (_, state) in held.states.0.extract_if(.., |(s, _)| *s == id) {
                state.feedback.into_iter().for_each(|f| f.discarded());
            }
            for fence in held.fences.extract_if(.., |f| f.surface == id) {
                self.handle.remove(fence.token);
            }
        }
        waiting.retain(|held| !held.states.0.is_empty());
        self.apply_ready(client);
    }

    /// A surface was not drawn because its dma-buf was being written: it is drawn when that is over.
    pub fn draw_when_idle(&mut self, id: SurfaceId) {
        let Some(surface) = self.surfaces.get(id).filter(|_| !self.held.idle.contains_key(&id)) else {
            return;
        };
        let fences =
            surface.current.buffer.as_ref().and_then(|u| u.buffer().dmabuf().map(|d| d.fences(Access::Read)));
        let client = surface.client.clone();
        // One is enough: it is asked again then.
        let fence = fences.into_iter().flatten().next();
        let watched = fence.and_then(|fd| self.watch(fd, &client, move |server| server.is_idle(id)));
        match watched {
            Some(token) => drop(self.held.idle.insert(id, token)),
            None => self.is_idle(id),
        }
    }

    fn is_idle(&mut self, id: SurfaceId) {
        self.held.idle.remove(&id);
        let Some(surface) = self.surfaces.get_mut(id) else { return };
        surface.current.damage.add(Rect::of_size(surface.current.size));
        self.schedule_frame();
    }

    /// What a window was asked for since its last commit, to be kept with this one.
    fn shell_wish(&mut self, id: SurfaceId) -> Option<ShellWish> {
        match self.surfaces.get(id)?.role {
            Role::Toplevel | Role::Popup => self.swap_wish(id, ShellWish::default()),
            _ => None,
        }
    }
}
