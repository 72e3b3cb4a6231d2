//! The server: everything the rooms share, and the loop that drives it.

use calloop::{LoopHandle, LoopSignal};
use std::collections::HashMap;
use wayland_server::{DisplayHandle, Resource};

use crate::backend::Backend;
use crate::config::Config;
use crate::connections::Connections;
use crate::dispatch::post;
use crate::error::ProtocolError;
use crate::frame::Frames;
use crate::held::HeldCommits;
use crate::ledger::Ledger;
use crate::pictures::Pictures;
use crate::protocol::dmabuf_feedback::Dmabufs;
use crate::protocol::output::OutputState;
use crate::scene::{ElementId, Scene};
use crate::screencopy::Screencopy;
use crate::seat::Seat;
use crate::shell::Shell;
use crate::surface::{Commit, ContentError, From, Role, SurfaceId, Surfaces};

/// Everything there is while the compositor runs.
pub(crate) struct Server {
    pub display: DisplayHandle,
    pub handle: LoopHandle<'static, Server>,
    pub stop: LoopSignal,
    pub config: Config,
    pub surfaces: Surfaces,
    pub regions: HashMap<u64, crate::geometry::Region>,
    pub shell: Shell,
    pub seat: Seat,
    pub output: OutputState,
    pub frames: Frames,
    pub scene: Scene,
    pub ledger: Ledger,
    pub backend: Backend,
    pub pictures: Pictures,
    pub screencopy: Screencopy,
    pub connections: Connections,
    pub dmabufs: Dmabufs,
    pub held: HeldCommits,
    /// What went wrong that must end the compositor.
    pub failure: Option<crate::RunError>,
    pub ended: crate::Ended,
    /// Given up when a client must be turned away because no fd is left.
    pub spare_fd: Option<std::os::fd::OwnedFd>,
    pub last_id: u64,
}

impl Server {
    /// A number that was never used before.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Commits a surface and lets everybody who cares about it know.
    pub fn commit(&mut self, id: SurfaceId) -> crate::error::Outcome {
        let Some(surface) = self.surfaces.get(id) else { return Ok(()) };
        // A role may refuse a commit: an xdg_surface without its first ack, a popup without parent.
        if !self.surfaces.is_synchronised(id) {
            match surface.role {
                Role::None | Role::Toplevel | Role::Popup => self.shell_check(id)?,
                Role::Subsurface | Role::Cursor | Role::DragIcon => {}
            }
            self.surfaces.unite(id).into_iter().for_each(|feedback| feedback.discarded());
            if self.hold_back(id, From::Pending)? {
                return Ok(());
            }
        }
        let outcome = self.surfaces.commit(id, crate::clock::now_us());
        self.committed(outcome)
    }

    /// A subsurface does not wait for its parent any more: applies what has waited.
    pub fn desynchronised(&mut self, id: SurfaceId) -> crate::error::Outcome {
        let waits = self.surfaces.get(id).is_some_and(|s| s.cached.is_some());
        if waits && !self.surfaces.is_synchronised(id) && self.hold_back(id, From::Cached)? {
            return Ok(());
        }
        let outcome = self.surfaces.release_cached(id);
        self.committed(outcome)
    }

    /// Deals with the outcome of a commit.
    pub fn committed(&mut self, outcome: Result<Commit, (SurfaceId, ContentError)>) -> crate::error::Outcome {
        let commit = match outcome {
            Ok(commit) => commit,
            Err((id, error)) => return Err(self.content_error(id, error)),
        };
        for feedback in commit.discarded {
            feedback.discarded();
        }
        for (id, applied) in commit.applied {
            if applied.cut_off {
                self.ledger.cut_off(&self.surfaces, id);
            }
            let Some(surface) = self.surfaces.get(id) else { continue };
            match surface.role {
                Role::Toplevel | Role::Popup => self.shell_committed(id, applied),
                Role::Cursor | Role::DragIcon => self.seat_committed(id, applied),
                Role::None | Role::Subsurface => {}
            }
        }
        self.schedule_frame();
        Ok(())
    }

    fn content_error(&self, id: SurfaceId, error: ContentError) -> ProtocolError {
        use selkie_protocols::upstream::wp::viewporter::server::wp_viewport;
        use wayland_server::protocol::wl_surface;
        let on = |e: ProtocolError| match self.surfaces.get(id) {
            Some(surface) => e.on(&surface.resource),
            None => e,
        };
        match error {
            ContentError::NotMultipleOfScale { .. } => {
                on(ProtocolError::new(wl_surface::Error::InvalidSize, error.to_string()))
            }
            ContentError::FractionalSource(..) => {
                self.viewport_error(id, wp_viewport::Error::BadSize, error.to_string())
            }
            ContentError::SourceOutsideBuffer(..) => {
                self.viewport_error(id, wp_viewport::Error::OutOfBuffer, error.to_string())
            }
        }
    }

    /// Ends the client of `surface`: its memory went away while it was read.
    pub fn memory_fault(&mut self, id: ElementId) {
        let ElementId::Surface(id) = id else { return };
        let Some(surface) = self.surfaces.get(SurfaceId(id)) else { return };
        let error = ProtocolError::new(
            wayland_server::protocol::wl_shm::Error::InvalidFd,
            "the memory behind the buffer was taken away while it was shown (SIGBUS caught): \
             add F_SEAL_SHRINK before wl_shm.create_pool",
        );
        let object = match surface.current.last_buffer.as_ref().and_then(|b| b.resource()) {
            Some(buffer) => buffer.id(),
            None => surface.resource.id(),
        };
        post(&self.display, &surface.client, object, error);
    }
}
