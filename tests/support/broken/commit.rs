//! What a commit does: what is committed is copied and given back at once; a synchronised subsurface waits for its parent.

use wayland_server::Resource;
use wayland_server::backend::ObjectId;
use wayland_server::protocol::{wl_buffer, wl_shm, wl_surface};

use super::surface::{Content, Surface};
use super::{State, held, numbers, presentation, shm, subsurface, syncobj};
use selkie_protocols::upstream::xdg::shell::server::xdg_surface;

pub fn commit(state: &mut State, surface: &wl_surface::WlSurface) {
    let id = surface.id();
    if state.has("recurses") {
        subsurface::levels(state, &id);
    }
    if state.has("draws-each-commit") {
        std::thread::sleep(std::time::Duration::from_micros(700));
    }
    if !syncobj::check(state, surface) {
        return;
    }
    let takes_unconfigured = state.has("takes-unconfigured");
    let Some(known) = state.surfaces.get_mut(&id) else { return };
    let attached = matches!(known.pending.attach, Some(Some(_)));
    if !known.pending.releases.is_empty() && !attached && !state.has("takes-any-release") {
        return surface.post_error(wl_surface::Error::NoBuffer, "a release of nothing");
    }
    let Some(known) = state.surfaces.get_mut(&id) else { return };
    if let Some(window) = &mut known.window {
        if attached && !window.is_configured() && !takes_unconfigured {
            let message = "a buffer before the first configure";
            return window.xdg_surface().post_error(xdg_surface::Error::UnconfiguredBuffer, message);
        }
        if matches!(known.pending.attach, Some(None)) {
            window.hide();
        } else {
            window.configure();
        }
    }
    if let Some(Some(buffer)) = &known.pending.attach.clone() {
        if shm::of(buffer).is_some_and(|buffer| !buffer.pool().is_as_believed(state)) {
            return buffer.post_error(wl_shm::Error::InvalidFd, "the memory is not as it was");
        }
        let size = shm::of(buffer).map_or((1, 1), |buffer| (buffer.width, buffer.height));
        if !numbers::commit(state, surface, size) {
            return;
        }
    }
    let applies_at_once = state.has("applies-at-once");
    let Some(known) = state.surfaces.get_mut(&id) else { return };
    let content = std::mem::take(&mut known.pending);
    if known.parent.is_some() && known.synchronised && !applies_at_once {
        let waiting = known.waiting.take();
        let (merged, over) = merge(waiting.unwrap_or_default(), content);
        known.waiting = Some(merged);
        if !state.has("forgets-waiting") {
            give_back(state, over);
        }
        return;
    }
    held::apply(state, &id, content);
}

/// The frame callbacks of all that was committed.
impl State {
    pub fn call_back(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        if self.has("calls-back-in-reverse") {
            due.reverse();
        }
        if !self.has("never-calls-back") {
            due.into_iter().for_each(|callback| callback.done(0));
        }
    }
}

/// One content after the other, and what is over of the first.
fn merge(first: Content, second: Content) -> (Content, Content) {
    let mut merged = second;
    let mut over = Content::default();
    if merged.attach.is_some() {
        over.attach = first.attach;
        over.releases = first.releases;
        over.points = first.points;
    } else {
        merged.attach = first.attach;
        merged.releases = first.releases;
        merged.points = first.points;
    }
    merged.damaged |= first.damaged;
    merged.callbacks.splice(0..0, first.callbacks);
    over.feedback = first.feedback;
    (merged, over)
}

/// Gives back what will not be shown any more.
fn give_back(state: &mut State, content: Content) {
    if let Some(Some(buffer)) = content.attach {
        release(state, &buffer);
    }
    if !state.has("never-releases") {
        content.releases.into_iter().for_each(|release| release.done(0));
        content.points.release.into_iter().for_each(|point| point.signal());
    }
    content.feedback.into_iter().for_each(|feedback| feedback.discarded());
}

fn release(state: &State, buffer: &wl_buffer::WlBuffer) {
    if buffer.is_alive() && !state.has("never-releases") {
        buffer.release();
        if state.has("releases-twice") {
            buffer.release();
        }
    }
}

/// Shows what was committed, and what waited for that.
pub fn apply(state: &mut State, id: &ObjectId, content: Content) {
    // Not by recursion: the tree is as deep as a client likes.
    let mut todo = vec![(id.clone(), content)];
    while let Some((id, content)) = todo.pop() {
        apply_one(state, &id, content);
        if state.parents.contains(&id) {
            let of_it = |known: &Surface| known.parent.as_ref() == Some(&id);
            let children = state.surfaces.iter_mut().filter(|(_, known)| of_it(known));
            todo.extend(children.filter_map(|(id, known)| Some((id.clone(), known.waiting.take()?))));
        }
    }
}

fn apply_one(state: &mut State, id: &ObjectId, content: Content) {
    let trusts = state.has("trusts-buffers");
    let is_alive = |buffer: &Option<wl_buffer::WlBuffer>| buffer.as_ref().is_none_or(Resource::is_alive);
    if trusts {
        assert!(state.surfaces.values().all(|known| is_alive(&known.shown)), "a buffer that is gone");
        assert!(is_alive(&content.attach.clone().flatten()), "a buffer that is gone");
    }
    if state.has("rereads-all") {
        let shown = state.surfaces.values().filter_map(|known| known.shown.as_ref());
        shown.filter_map(shm::of).for_each(|buffer| drop(buffer.read(state)));
    }
    if let Some(Some(buffer)) = &content.attach {
        let again = state.surfaces.get(id).is_some_and(|known| known.shown.as_ref() == Some(buffer));
        assert!(!again || !state.has("imports-once"), "it has been imported already");
        let elsewhere = || {
            state.surfaces.iter().any(|(other, known)| other != id && known.shown.as_ref() == Some(buffer))
        };
        assert!(!state.has("asserts-one-surface") || !elsewhere(), "the buffer is on another surface");
        if state.has("keeps-fds") {
            shm::of(buffer).inspect(|buffer| buffer.forget_fd());
        }
    }
    let picture = match &content.attach {
        Some(Some(buffer)) => {
            let of_it = shm::of(buffer).filter(|_| buffer.is_alive());
            Some(
                of_it.map_or_else(Default::default, |known| (known.read(state), (known.width, known.height))),
            )
        }
        Some(None) => Some(Default::default()),
        None => None,
    };
    let keeps = state.has("keeps-pictures");
    let ends = matches!(content.attach, Some(None)) && state.has("null-ends-subsurfaces");
    let Some(known) = state.surfaces.get_mut(id) else { return };
    if ends {
        known.parent = None;
    }
    if let Some((picture, size)) = picture {
        if keeps {
            std::mem::forget(std::mem::take(&mut known.picture));
        }
        (known.picture, known.size) = (picture, size);
        known.before = std::mem::replace(&mut known.shown, content.attach.clone().flatten());
    }
    let before = known.before.clone();
    if let Some(buffer) = content.attach {
        if !state.has("releases-when-replaced") {
            if let Some(buffer) = buffer.filter(|_| !state.has("releases-by-number")) {
                release(state, &buffer);
            }
            if !state.has("never-releases") {
                content.releases.into_iter().for_each(|release| release.done(0));
                let release = content.points.release.filter(|_| !state.has("forgets-points-of-shm"));
                release.into_iter().for_each(|point| point.signal());
            }
        } else if let (Some(_), Some(before)) = (buffer, &before) {
            release(state, before);
        }
        if let Some(before) = before.filter(|_| state.has("releases-by-number")) {
            by_number(state, &before);
        }
    }
    if content.damaged || !state.has("calls-back-for-damage") {
        state.due.extend(content.callbacks);
    }
    for feedback in content.feedback {
        if state.has("discards-all") {
            feedback.discarded();
        } else if !state.has("never-presents") {
            presentation::present(&feedback);
        }
    }
    if state.has("presents-uncommitted") {
        let pending = state.surfaces.values_mut().flat_map(|known| known.pending.feedback.drain(..));
        pending.for_each(|feedback| presentation::present(&feedback));
    }
}

/// Releases whatever buffer has the number that this one had.
fn by_number(state: &State, buffer: &wl_buffer::WlBuffer) {
    let handle = &state.handle;
    let Ok(client) = handle.get_client(buffer.id()) else { return };
    let number = buffer.id().protocol_id();
    if let Ok(other) = client.object_from_protocol_id::<wl_buffer::WlBuffer>(handle, number) {
        other.release();
    }
}

/// A surface is gone, with all that it had.
pub fn destroyed(state: &mut State, id: &ObjectId) {
    state.parents.remove(id);
    let Some(known) = state.surfaces.remove(id) else { return };
    let attached = matches!(known.pending.attach, Some(Some(_)));
    assert!(!attached || !state.has("trusts-buffers"), "a buffer waits for its commit");
    // What has not been committed is nobody's but the client's.
    let uncommitted = Content { feedback: known.pending.feedback, ..Content::default() };
    give_back(state, uncommitted);
    if let Some(waiting) = known.waiting.filter(|_| !state.has("forgets-waiting")) {
        give_back(state, waiting);
    }
    if state.has("keeps-held") {
        let buffers = known.held.iter().filter_map(|content| content.attach.as_ref()?.as_ref());
        buffers.filter_map(shm::of).for_each(shm::Buffer::forget_fd);
    }
    known.held.into_iter().for_each(|content| give_back(state, content));
}
