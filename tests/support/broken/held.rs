//! Commits that wait until their picture is drawn: for the fences in the dma-buf, or for the acquire point that came with them.
//! Whatever is committed to the same surface waits behind.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use shm_core::dmabuf::{Access, DmaBuf, DmaBufMapping};
use wayland_server::backend::ObjectId;

use super::pages::Mapping;
use super::surface::Content;
use super::{State, commit, shm};

/// A dma-buf to be read.
pub enum Mapped {
    /// When its writers are done.
    InTurn(DmaBufMapping),
    /// At once.
    Anyhow(Mapping),
}

impl Mapped {
    /// Reads bytes, as far as there are any.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        match self {
            Mapped::InTurn(mapping) => drop(mapping.copy_to(offset, to)),
            Mapped::Anyhow(mapping) => mapping.copy(offset, to),
        }
    }
}

/// Maps a dma-buf to be read.
pub fn map(state: &State, dmabuf: &DmaBuf) -> Option<Mapped> {
    if state.has("reads-unfinished") {
        return Mapping::new(dmabuf, dmabuf.size() as usize, false).map(Mapped::Anyhow);
    }
    dmabuf.map().ok().map(Mapped::InTurn)
}

/// Whether somebody still draws what is committed.
fn is_unfinished(state: &State, content: &Content) -> bool {
    let Some(Some(buffer)) = &content.attach else { return false };
    if state.has("reads-unfinished") {
        return false;
    }
    if let Some(point) = &content.points.acquire {
        while state.has("waits-for-fences") && !point.is_reached() {
            std::thread::sleep(Duration::from_millis(5));
        }
        return !point.is_reached();
    }
    let Some(dmabuf) = shm::of(buffer).and_then(shm::Buffer::dmabuf) else { return false };
    if state.has("waits-for-fences") {
        // With all that the others want.
        poll(&mut [PollFd::new(&dmabuf, PollFlags::IN)], None).unwrap();
    }
    !dmabuf.is_idle(Access::Read).unwrap()
}

/// Applies what is committed, now or later.
pub fn apply(state: &mut State, id: &ObjectId, content: Content) {
    let unfinished = is_unfinished(state, &content);
    let Some(known) = state.surfaces.get_mut(id) else { return };
    if unfinished || !known.held.is_empty() {
        known.held.push_back(content);
    } else {
        commit::apply(state, id, content);
    }
}

impl State {
    /// Whether anything waits.
    pub fn holds(&self) -> bool {
        self.surfaces.values().any(|known| !known.held.is_empty())
    }

    /// Applies what need not wait any more.
    pub fn let_go(&mut self) {
        let ids: Vec<ObjectId> = self.surfaces.keys().cloned().collect();
        for id in ids {
            while let Some(content) = self.surfaces.get_mut(&id).and_then(|known| known.held.pop_front()) {
                if is_unfinished(self, &content) {
                    if let Some(known) = self.surfaces.get_mut(&id) {
                        known.held.push_front(content);
                    }
                    break;
                }
                commit::apply(self, &id, content);
            }
        }
    }
}
