//! Pictures of the output that clients have asked for.
//!
//! Nothing happens here unless a client waits for a picture. It gets what the last frame showed, or the frame that is due; one
//! picture for each client in a turn of the loop, so that taking pictures holds up nobody. Who waits for damage waits for
//! a frame that brings some.
//!
//! The client's memory is written by the kernel, in a way that neither faults nor waits (`shm_core::deliver`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use calloop::timer::{TimeoutAction, Timer};
use selkie_protocols::wlr::screencopy::v1::server::zwlr_screencopy_frame_v1::{Flags, ZwlrScreencopyFrameV1};
use shm_core::deliver::{DeliverError, deliver};
use shm_core::own::{OwnError, OwnMemory};
use shm_core::seals::Seals;
use wayland_server::Resource;

use crate::backend::Backend;
use crate::buffer::Buffer;
use crate::client::{ClientState, Counted};
use crate::dispatch::post;
use crate::error::ProtocolError;
use crate::geometry::{Rect, Region, Size};
use crate::scene::{Element, ElementId};
use crate::server::Server;
use crate::surface::{Damage, Role, SurfaceId, Surfaces, rects};

/// The output's size in pixels and its scale.
type Screen = (Size, i32);

/// All pictures that clients have asked for.
#[derive(Default)]
pub(crate) struct Screencopy {
    managers: HashMap<u64, Manager>,
    /// By number, and so in the order in which they came.
    shots: BTreeMap<u64, Shot>,
    /// How many of them wait.
    waiting: usize,
    /// Whether a timer will take more pictures.
    timed: bool,
}

#[cfg(feature = "fuzzing")]
impl Screencopy {
    /// How much it keeps of clients: managers and pictures.
    pub fn holdings(&self) -> usize {
        self.managers.len() + self.shots.len() + self.waiting
    }
}

/// A bound manager, or one that is gone while frames of it are left.
#[derive(Default)]
struct Manager {
    gone: bool,
    frames: usize,
    /// What has changed since the last copy, if there was one; in pixels of the output.
    damage: Option<(Screen, Damage)>,
}

/// A `zwlr_screencopy_frame_v1`.
pub(crate) struct Shot {
    pub resource: ZwlrScreencopyFrameV1,
    pub client: Arc<ClientState>,
    pub manager: u64,
    /// What it shows, in pixels of the output.
    pub region: Rect,
    /// The output as it was when the region was chosen.
    pub screen: Screen,
    /// Whether cursors show.
    pub cursor: bool,
    pub state: State,
    pub _counted: Counted,
}

/// How far a picture is.
pub(crate) enum State {
    /// The client knows what it would be.
    Offered,
    /// The client has said where to.
    Waiting {
        buffer: Arc<Buffer>,
        /// Whether only for damage.
        damaged: bool,
    },
    /// There is none, and the client has been told before it said where to.
    Failed,
    /// It was copied, or could not be.
    Used,
}

/// A picture that its client does not get.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error("the output has changed since the picture was offered")]
    OutputChanged,
    #[error("its pools would hold too much memory")]
    TooMuch(ProtocolError),
    #[error("cannot have memory for the picture")]
    Own(#[from] OwnError),
    #[error("cannot write the client's buffer: {0}")]
    Deliver(#[from] DeliverError),
}

impl Screencopy {
    /// A client has bound the manager.
    pub fn manager_came(&mut self, manager: u64) {
        self.managers.insert(manager, Manager::default());
    }

    /// A client is done with the manager; frames of it go on.
    pub fn manager_gone(&mut self, manager: u64) {
        self.managers.get_mut(&manager).into_iter().for_each(|m| m.gone = true);
        self.forget_if_unused(manager);
    }

    fn forget_if_unused(&mut self, manager: u64) {
        if self.managers.get(&manager).is_some_and(|m| m.gone && m.frames == 0) {
            self.managers.remove(&manager);
        }
    }

    /// A client has asked what a picture would be.
    pub fn offered(&mut self, frame: u64, shot: Shot) {
        self.managers.get_mut(&shot.manager).into_iter().for_each(|m| m.frames += 1);
        self.shots.insert(frame, shot);
    }

    /// The frame of that number.
    pub fn shot(&self, frame: u64) -> Option<&Shot> {
        self.shots.get(&frame)
    }

    /// A client wants its picture in `buffer`, which fits.
    pub fn wanted(&mut self, frame: u64, buffer: Arc<Buffer>, damaged: bool) {
        if let Some(shot) = self.shots.get_mut(&frame) {
            shot.state = State::Waiting { buffer, damaged };
            self.waiting += 1;
        }
    }

    /// A frame is destroyed.
    pub fn frame_gone(&mut self, frame: u64) {
        let Some(shot) = self.shots.remove(&frame) else { return };
        self.waiting -= usize::from(matches!(shot.state, State::Waiting { .. }));
        self.managers.get_mut(&shot.manager).into_iter().for_each(|m| m.frames -= 1);
        self.forget_if_unused(shot.manager);
    }

    /// A buffer is destroyed: what was to go there goes nowhere.
    pub fn buffer_gone(&mut self, gone: &Arc<Buffer>) {
        if self.waiting == 0 {
            return;
        }
        for shot in self.shots.values_mut() {
            if matches!(&shot.state, State::Waiting { buffer, .. } if Arc::ptr_eq(buffer, gone)) {
                shot.state = State::Used;
                shot.resource.failed();
                self.waiting -= 1;
            }
        }
    }

    /// A frame was shown that differs from the last one in `damage`.
    pub fn damaged(&mut self, damage: &Region) {
        for manager in self.managers.values_mut() {
            if let Some((_, known)) = &mut manager.damage {
                known.merge_region(damage);
            }
        }
    }

    /// What has changed in the region of `shot` since the last copy for its manager.
    fn damage_of(&self, shot: &Shot, screen: Screen) -> Region {
        let region = shot.region.to_region();
        match self.managers.get(&shot.manager).and_then(|m| m.damage.as_ref()) {
            Some((known_on, damage)) if *known_on == screen => damage.region().intersect(&region),
            _ => region,
        }
    }

    /// The region of `shot` has been copied for its manager.
    fn copied(&mut self, manager: u64, region: Rect, screen: Screen) {
        let Some(manager) = self.managers.get_mut(&manager) else { return };
        let before = match manager.damage.take() {
            Some((known_on, damage)) if known_on == screen => damage.region().clone(),
            _ => Rect::of_size(screen.0).to_region(),
        };
        let mut damage = Damage::default();
        damage.merge_region(&before.subtract(&region.to_region()));
        manager.damage = Some((screen, damage));
    }

    /// The pictures to take now: at most one for each client. And whether there are more.
    fn due(&self, screen: Screen) -> (Vec<u64>, bool) {
        let (mut due, mut clients, mut more) = (Vec::new(), HashSet::new(), false);
        for (number, shot) in &self.shots {
            let State::Waiting { damaged, .. } = &shot.state else { continue };
            if *damaged && !self.damage_of(shot, screen).is_non_empty() {
                continue;
            }
            match clients.insert(shot.client.key) {
                true => due.push(*number),
                false => more = true,
            }
        }
        (due, more)
    }
}

impl Server {
    /// Takes the pictures that can be taken. Called whenever the loop has no events left.
    pub fn take_pictures(&mut self) {
        if self.screencopy.waiting == 0 || self.screencopy.timed {
            return;
        }
        // The frame that is due shows what has been committed. A host may hold frames back for as long as it likes; the
        // picture is composed then without it.
        if self.frames.is_due() && matches!(self.backend, Backend::Headless(_)) {
            return;
        }
        let screen = (self.output.size(), self.output.scale());
        let (due, more) = self.screencopy.due(screen);
        let (with, without): (Vec<u64>, Vec<u64>) =
            due.into_iter().partition(|n| self.screencopy.shot(*n).is_some_and(|shot| shot.cursor));
        self.take(&with, true, screen);
        self.take(&without, false, screen);
        if more {
            self.take_more_soon();
        }
    }

    /// Has the next turn of the loop come at once, after everybody else has had one.
    fn take_more_soon(&mut self) {
        let timer = self.handle.insert_source(Timer::immediate(), |_, (), server: &mut Server| {
            server.screencopy.timed = false;
            TimeoutAction::Drop
        });
        match timer {
            Ok(_) => self.screencopy.timed = true,
            Err(e) => tracing::error!("cannot set a timer: {e}"),
        }
    }

    /// Takes these pictures, with cursors or without.
    fn take(&mut self, frames: &[u64], cursor: bool, screen: Screen) {
        if frames.is_empty() {
            return;
        }
        self.collect_elements();
        let all = self.scene.elements.len();
        if !cursor {
            let surfaces = &self.surfaces;
            self.scene.elements.retain(|element| !is_cursor(surfaces, element));
        }
        let as_shown = self.scene.elements.len() == all;
        let mut drawn = Vec::new();
        let screencopy = &self.screencopy;
        let copies = self.backend.picture(&self.scene, as_shown, &mut drawn, |pixels| {
            let copy = |number: &u64| Some((*number, screencopy.shot(*number)?.copy(pixels, screen)));
            frames.iter().filter_map(copy).collect::<Vec<_>>()
        });
        self.scene.elements.clear();
        for fault in drawn.iter().filter(|d| d.fault) {
            self.memory_fault(fault.id);
        }
        match copies {
            Some(copies) => {
                copies.into_iter().for_each(|(number, copied)| self.answer_shot(number, copied, screen))
            }
            // Nothing has been shown yet; it will be.
            None => self.schedule_frame(),
        }
    }

    /// Tells a client what became of its picture.
    fn answer_shot(&mut self, number: u64, copied: Result<(), CopyError>, screen: Screen) {
        let Some(shot) = self.screencopy.shots.get_mut(&number) else { return };
        let State::Waiting { damaged, .. } = std::mem::replace(&mut shot.state, State::Used) else { return };
        self.screencopy.waiting -= 1;
        let (client, manager, region) = (shot.client.clone(), shot.manager, shot.region);
        let frame = shot.resource.clone();
        match copied {
            Ok(()) => {}
            Err(CopyError::TooMuch(error)) => {
                post(&self.display, &client, frame.id(), error);
                return;
            }
            Err(error) => {
                tracing::debug!(client = client.key, "no picture of the output: {error}");
                frame.failed();
                return;
            }
        }
        frame.flags(Flags::empty());
        if damaged && let Some(shot) = self.screencopy.shots.get(&number) {
            for r in rects(&self.screencopy.damage_of(shot, screen)) {
                // Within the region, so nothing is negative.
                let (x, y) = ((r.x - region.x) as u32, (r.y - region.y) as u32);
                frame.damage(x, y, r.w as u32, r.h as u32);
            }
        }
        self.screencopy.copied(manager, region, screen);
        let ns = self.frames.shown_ns();
        let sec = ns / 1_000_000_000;
        frame.ready((sec >> 32) as u32, sec as u32, (ns % 1_000_000_000) as u32);
    }
}

impl Shot {
    /// Copies its region of `pixels`, which show all of the output, into the client's buffer.
    fn copy(&self, pixels: &[u32], screen: Screen) -> Result<(), CopyError> {
        let State::Waiting { buffer, .. } = &self.state else { return Ok(()) };
        // The region was within the output that there was then.
        if self.screen != screen {
            return Err(CopyError::OutputChanged);
        }
        let (Some(pool), Some(layout)) = (buffer.pool(), buffer.layout()) else { return Ok(()) };
        let Rect { x, y, w, h } = self.region;
        // None is negative.
        let (x, y, w, h, width) = (x as usize, y as usize, w as usize, h as usize, screen.0.w as usize);
        let bytes = (w * h * 4) as u64;
        // What is written becomes memory, where it was a hole.
        self.client.touch(bytes).map_err(CopyError::TooMuch)?;
        let mut memory = OwnMemory::create("selkie-picture", bytes, Some(Seals::SHRINK | Seals::GROW))?;
        memory.with_rows(0, w * 4, w, h, |row, to| {
            let from = pixels.iter().skip((y + row) * width + x);
            // The fourth byte means nothing in XRGB8888; but some take it for alpha, and it may be a client's.
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from | 0xff00_0000);
        })?;
        Ok(deliver(&memory, pool.fd(), layout.offset)?)
    }
}

/// Whether an element is a cursor, ours or a client's.
fn is_cursor(surfaces: &Surfaces, element: &Element) -> bool {
    match element.id {
        ElementId::Cursor => true,
        ElementId::Backdrop(_) => false,
        ElementId::Surface(id) => {
            surfaces.get(surfaces.root(SurfaceId(id))).is_some_and(|root| root.role == Role::Cursor)
        }
    }
}

#[cfg(test)]
mod tests;
