//! From "something changed" to a picture, and back to the clients.
//!
//! Nothing happens until something changes. Then one frame is due: at once if the backend is ready
//! for it, else when it is. All changes that arrive until then are part of it. A frame rebuilds the
//! scene, compares it with the last one, and has the backend show what differs.

use std::collections::HashMap;

use std::time::Duration;

use calloop::timer::{TimeoutAction, Timer};
use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::{
    Kind, WpPresentationFeedback,
};

use crate::backend::Shown;
use wayland_server::Resource;

use crate::clock;
use crate::dispatch::post;
use crate::geometry::{Point, Rect, RectF, Region, Transform};

use crate::ledger;
use crate::scene::{Color, Content, Element, ElementId, News};
use crate::scene_diff::SceneMemory;
use crate::server::Server;
use crate::surface::{Surface, SurfaceId, to_output};

/// When the last frame was, and what is to come.
#[derive(Default)]
pub(crate) struct Frames {
    /// Whether anything has changed since the last frame.
    due: bool,
    /// Whether a timer will make the frame.
    timed: bool,
    /// When the last frame was shown, in nanoseconds of the monotonic clock.
    last_ns: u64,
    /// When the picture last changed, in nanoseconds of the clock that `wp_presentation.clock_id` names.
    changed_ns: u64,
    /// Frames that were shown, for `wp_presentation`.
    pub sequence: u64,
    /// Frames that showed a client.
    pub shown: u64,
    memory: SceneMemory,
    /// What the backend did with the last scene; kept for its memory.
    showing: Shown,
    /// Frames that the backend has and that have not yet turned to light.
    in_flight: Vec<InFlight>,
    /// The counter of the frame that the backend told of last.
    pub told_sequence: u64,
    /// Whether a timer will look for frames that the backend has not told of.
    overdue_timed: bool,
    /// Lists that were in use, kept for their memory.
    spare: Vec<Vec<WpPresentationFeedback>>,
    /// Bytes of buffers in the scene and one of the surfaces they are of, by client; kept for its
    /// memory.
    shown_bytes: HashMap<u64, (SurfaceId, u64)>,
}

/// How long after its beat a host may still tell when a frame turned to light.
const TELLING: std::time::Duration = std::time::Duration::from_millis(250);

/// Who wants to know when a frame turns to light.
struct InFlight {
    /// The backend's number of it.
    frame: u64,
    /// The beat of the backend's clock after it was handed over, once that has come.
    beat: Option<Presented>,
    feedback: Vec<WpPresentationFeedback>,
}

/// When, and how, a frame turned to light.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented {
    /// Nanoseconds of the clock that `wp_presentation.clock_id` names.
    pub ns: u64,
    /// Nanoseconds to the next frame; 0 where there is no rhythm.
    pub refresh_ns: u32,
    /// The output's frame counter.
    pub sequence: u64,
    /// What is known about how it happened.
    pub flags: Kind,
}

/// What a backend did with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Showing {
    /// It shows.
    Now,
    /// It will show; the backend will say when, by the numbers that it gave the elements.
    Soon,
    /// Not ready; the backend will say when it is.
    Busy,
}

impl Frames {
    /// Whether anything has changed since the last frame.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// When the picture last changed, in nanoseconds of the clock that `wp_presentation.clock_id` names.
    pub fn shown_ns(&self) -> u64 {
        self.changed_ns
    }
}

impl Server {
    /// Has a frame made: something changed.
    pub fn schedule_frame(&mut self) {
        self.frames.due = true;
    }

    /// Makes the frame that is due, if it is time for it. Called whenever the loop has no events.
    pub fn frame_if_due(&mut self) {
        if !self.frames.due || self.frames.timed || !self.backend.is_ready() {
            return;
        }
        let Some(wait) = self.frame_or_wait() else { return };
        let timer = self.handle.insert_source(Timer::from_duration(wait), |_, (), server: &mut Server| {
            server.frames.timed = false;
            TimeoutAction::Drop
        });
        match timer {
            Ok(_) => self.frames.timed = true,
            Err(e) => {
                tracing::error!("cannot set a timer: {e}");
                self.frame();
            }
        }
    }

    /// Makes the frame that is due if it is time for it, whatever timer there is.
    pub fn frame_if_overdue(&mut self) {
        if self.frames.due && self.backend.is_ready() {
            self.frame_or_wait();
        }
    }

    /// Makes a frame if it is time for one, else says how long it is until then.
    fn frame_or_wait(&mut self) -> Option<Duration> {
        let period = u64::from(self.backend.pace_ns());
        let now = clock::now_ns();
        let next = self.frames.last_ns.saturating_add(period);
        if now < next {
            return Some(Duration::from_nanos(next - now));
        }
        // On the grid of the last frame if we are not late, so that the rhythm holds.
        self.frames.last_ns = if now - next < period { next } else { now };
        self.frame();
        None
    }

    fn frame(&mut self) {
        self.frames.due = false;
        // What changed may have changed what is under the pointer.
        self.seat_refresh();
        self.build_scene();
        let damage = self.frames.memory.update(&self.scene);
        self.frames.showing.clear();
        let showing = match self.backend.show(&self.scene, &damage, &mut self.frames.showing) {
            Ok(showing) => showing,
            Err(e) => {
                self.fail(e);
                return;
            }
        };
        if showing == Showing::Busy {
            // Nothing was shown: everything is as it was, and the backend will call.
            self.frames.memory.forget();
            self.frames.due = true;
            self.scene.elements.clear();
            return;
        }
        let drawn_anything = damage.is_non_empty();
        let drawn = &self.frames.showing.drawn;
        let faults: Vec<ElementId> = drawn.iter().filter(|d| d.fault).map(|d| d.id).collect();
        self.record_frame(drawn_anything);
        let ns = clock::now_ns_of(self.backend.clock_id());
        if drawn_anything {
            self.frames.changed_ns = ns;
            self.screencopy.damaged(&damage);
        }
        if drawn_anything && self.frames.shown > 0 {
            self.pictures.frame(&mut self.backend, &self.scene, &damage, clock::now_ns());
        }
        // Dropping the scene ends our reading: releases go out as buffers are replaced.
        self.scene.elements.clear();
        for id in faults {
            self.memory_fault(id);
        }
        if showing == Showing::Now {
            self.frame_done(ns);
            let (refresh_ns, sequence) = (self.output.period_ns(), self.frames.sequence);
            self.presented_all(Presented { ns, refresh_ns, sequence, flags: Kind::empty() });
        }
        if self.config.frames.is_some_and(|limit| self.frames.shown >= limit) {
            self.end(crate::Ended::Frames);
        }
    }

    /// Writes the frame into the ledger and collects who wants to know when it turns to light.
    fn record_frame(&mut self, drew: bool) {
        let now_us = clock::now_us();
        let mut shows_client = false;
        self.frames.sequence += u64::from(drew);
        let frame = self.frames.sequence;
        let mut elsewhere = Vec::new();
        let mut busy = Vec::new();
        for (element, way) in self.scene.elements.iter().zip(&self.frames.showing.ways) {
            let ElementId::Surface(id) = element.id else { continue };
            shows_client = true;
            let id = SurfaceId(id);
            let Some(surface) = self.surfaces.get_mut(id) else { continue };
            if surface.path.replace(way.path) != Some(way.path) {
                elsewhere.push(id);
            }
            surface.current.damage.clear();
            if surface.current.buffer.as_ref().is_some_and(|used| used.take_busy()) {
                busy.push(id);
            }
            if !surface.visible {
                continue;
            }
            surface.current.due = surface.current.callbacks.len();
            if !surface.current.feedback.is_empty() {
                let mut feedback = self.frames.spare.pop().unwrap_or_default();
                feedback.append(&mut surface.current.feedback);
                self.frames.in_flight.push(InFlight { frame: way.frame, beat: None, feedback });
            }
            if !std::mem::take(&mut surface.current.fresh) {
                continue;
            }
            let Some(buffer) = surface.current.last_buffer.clone() else { continue };
            let converted = surface.current.buffer.as_ref().map_or(0, |used| used.take_converted_bytes());
            let drawn = self.frames.showing.drawn.iter().filter(|d| d.id == element.id);
            let drawn = drawn.map(|d| d.bytes).sum::<u64>();
            let shown = ledger::Shown {
                client: surface.client.key,
                surface: id,
                buffer,
                path: way.path,
                bytes_copied: drawn + converted + std::mem::take(&mut surface.current.shadow_bytes),
                committed_us: surface.current.committed_us,
                presented_us: now_us,
            };
            self.ledger.frame(frame, &shown);
        }
        self.frames.shown += u64::from(drew && shows_client);
        for (pool, why) in self.frames.showing.not_imported.drain(..) {
            self.ledger.not_imported(pool, &why.to_string());
        }
        for id in elsewhere {
            self.path_changed(id);
        }
        busy.into_iter().for_each(|id| self.draw_when_idle(id));
    }

    /// The output is ready for the next frame: tells every visible surface to draw it, but for those that a host tells
    /// on its own.
    pub fn frame_done(&mut self, ns: u64) {
        let time = clock::event_time(ns);
        for surface in self.surfaces.iter_mut() {
            if surface.visible && !surface.is_forwarded() {
                // Those of later commits are for the frame that shows them.
                let due = std::mem::take(&mut surface.current.due).min(surface.current.callbacks.len());
                for callback in surface.current.callbacks.drain(..due) {
                    callback.done(time);
                }
            }
        }
    }

    /// The host is ready for the next frame of one element: the first `callbacks` that wait there are due.
    pub fn element_done(&mut self, id: ElementId, callbacks: usize, ns: u64) {
        let ElementId::Surface(id) = id else { return };
        let Some(surface) = self.surfaces.get_mut(SurfaceId(id)) else { return };
        let time = clock::event_time(ns);
        let due = callbacks.min(surface.current.callbacks.len());
        for callback in surface.current.callbacks.drain(..due) {
            callback.done(time);
        }
    }

    /// The frame that the backend knows by that number turned to light.
    pub fn presented(&mut self, frame: u64, at: Presented) {
        let (sec, nsec) = (at.ns / 1_000_000_000, (at.ns % 1_000_000_000) as u32);
        while let Some(i) = self.frames.in_flight.iter().position(|f| f.frame == frame) {
            let mut list = self.frames.in_flight.remove(i).feedback;
            for feedback in list.drain(..) {
                self.output.sync(&feedback);
                feedback.presented(
                    (sec >> 32) as u32,
                    sec as u32,
                    nsec,
                    at.refresh_ns,
                    (at.sequence >> 32) as u32,
                    at.sequence as u32,
                    at.flags,
                );
            }
            self.frames.spare.push(list);
        }
    }

    /// All frames that were in flight turned to light.
    pub fn presented_all(&mut self, at: Presented) {
        while let Some(frame) = self.frames.in_flight.first().map(|f| f.frame) {
            self.presented(frame, at);
        }
    }

    /// The backend's clock beat: it has taken all frames that it was handed. It should tell when they turn
    /// to light, but not every host does (sway 1.7 forgets it for a window that it shows without
    /// composing): then the beat has to do, or clients would wait forever.
    pub fn beat(&mut self, beat: Presented) {
        for flight in self.frames.in_flight.iter_mut() {
            flight.beat.get_or_insert(beat);
        }
        if self.frames.in_flight.is_empty() || std::mem::replace(&mut self.frames.overdue_timed, true) {
            return;
        }
        let timer = Timer::from_duration(TELLING);
        let inserted = self.handle.insert_source(timer, |_, (), server: &mut Server| {
            if server.answer_overdue() {
                TimeoutAction::ToDuration(TELLING)
            } else {
                server.frames.overdue_timed = false;
                TimeoutAction::Drop
            }
        });
        if let Err(e) = inserted {
            tracing::error!("cannot set a timer: {e}");
            self.frames.overdue_timed = false;
        }
    }

    /// Gives up on frames that the backend should have told of; returns whether there are others.
    fn answer_overdue(&mut self) -> bool {
        let now = clock::now_ns_of(self.backend.clock_id());
        let overdue = |f: &InFlight| {
            let beat = f.beat.filter(|beat| u128::from(now.saturating_sub(beat.ns)) >= TELLING.as_nanos())?;
            Some((f.frame, beat))
        };
        while let Some((frame, beat)) = self.frames.in_flight.iter().find_map(overdue) {
            self.presented(frame, beat);
        }
        self.frames.in_flight.iter().any(|f| f.beat.is_some())
    }

    /// The frame that the backend knows by that number will never turn to light.
    pub fn discarded(&mut self, frame: u64) {
        while let Some(i) = self.frames.in_flight.iter().position(|f| f.frame == frame) {
            let mut list = self.frames.in_flight.remove(i).feedback;
            list.drain(..).for_each(|feedback| feedback.discarded());
            self.frames.spare.push(list);
        }
    }

    /// Rebuilds the scene from the surfaces and finds out which of them can be seen.
    pub fn build_scene(&mut self) {
        self.collect_elements();
        self.find_visible();
    }

    /// Rebuilds the scene from the surfaces.
    pub fn collect_elements(&mut self) {
        let scale = self.output.scale();
        self.scene.scale = scale;
        self.scene.size = self.output.size();
        self.scene.background = self.config.background;
        self.scene.elements.clear();
        let elements = &mut self.scene.elements;
        let surfaces = &self.surfaces;
        for root in self.shell.roots(surfaces, &self.output).chain(self.seat.icon_roots()) {
            let first = elements.len();
            surfaces.walk(root.surface, root.origin, &mut |id, surface, at| {
                elements.extend(element(id, surface, at, scale));
            });
            if self.shell.is_fullscreen(root.surface) {
                let screen = Rect::of_size(self.scene.size);
                let fills = |e: &Element| !screen.to_region().subtract(&e.opaque).is_non_empty();
                if !elements[first..].iter().any(fills) {
                    elements.insert(first, backdrop(root.surface, screen));
                }
            }
        }
        elements.extend(self.seat.cursor_element(scale));
        self.limit_memory();
    }

    /// Ends the clients whose buffers would take too much memory if this scene were shown, and
    /// takes them out of it.
    fn limit_memory(&mut self) {
        let shown = &mut self.frames.shown_bytes;
        shown.clear();
        for element in &self.scene.elements {
            // What is copied with pread(2) fills no holes.
            if let (ElementId::Surface(id), Content::Buffer(used)) = (element.id, &element.content) {
                let of = shown.entry(used.buffer().client().key).or_insert((SurfaceId(id), 0));
                of.1 = of.1.saturating_add(used.buffer().fillable());
            }
        }
        let mut over = Vec::new();
        for (key, (id, bytes)) in shown.drain() {
            let Some(surface) = self.surfaces.get(id) else { continue };
            if let Err(error) = surface.client.touch(bytes) {
                post(&self.display, &surface.client, surface.resource.id(), error);
                over.push(key);
            }
        }
        if !over.is_empty() {
            let surfaces = &self.surfaces;
            self.scene.elements.retain(|element| match element.id {
                ElementId::Surface(id) => {
                    surfaces.get(SurfaceId(id)).is_none_or(|s| !over.contains(&s.client.key))
                }
                _ => true,
            });
        }
    }

    /// Marks the surfaces that show, from the top down, and tells those that came or left.
    fn find_visible(&mut self) {
        for surface in self.surfaces.iter_mut() {
            (surface.visible, surface.on_output) = (false, false);
        }
        let screen = Rect::of_size(self.scene.size);
        let mut covered = Region::default();
        for element in self.scene.elements.iter_mut().rev() {
            if let ElementId::Surface(id) = element.id
                && let Some(surface) = self.surfaces.get_mut(SurfaceId(id))
            {
                let within = element.dest.intersect(screen);
                surface.on_output = !within.is_empty();
                surface.visible = within.to_region().subtract(&covered).is_non_empty();
                if !surface.visible {
                    // Nobody is told of what cannot be seen.
                    (element.news.callbacks, element.news.feedback) = (0, false);
                }
            }
            if element.opaque.is_non_empty() {
                covered = covered.union(&element.opaque);
            }
        }
        self.scene.covered = !screen.to_region().subtract(&covered).is_non_empty();
        for surface in self.surfaces.iter_mut() {
            if surface.on_output != surface.told_on_output {
                surface.told_on_output = surface.on_output;
                self.output.tell(&surface.resource, surface.on_output);
            }
        }
    }
}

/// What a fullscreen window that does not fill the screen is shown on (xdg_toplevel.set_fullscreen).
fn backdrop(id: SurfaceId, screen: Rect) -> Element {
    Element {
        id: ElementId::Backdrop(id.0),
        content: Content::Solid(Color::default()),
        source: RectF { x: 0.0, y: 0.0, w: 1.0, h: 1.0 },
        transform: Transform::Normal,
        dest: screen,
        opaque: screen.to_region(),
        news: News::default(),
    }
}

/// The element that shows `surface` with its top left corner at `at`.
fn element(id: SurfaceId, surface: &Surface, at: Point, scale: i32) -> Option<Element> {
    let current = &surface.current;
    let content = current.content()?;
    let px = |v: i32| v.saturating_mul(scale);
    let dest = Rect::new(px(at.x), px(at.y), px(current.size.w), px(current.size.h));
    if dest.is_empty() {
        return None;
    }
    let opaque = if content.format().is_opaque() {
        dest.to_region()
    } else if current.opaque.is_non_empty() {
        to_output(&current.opaque, dest.origin(), scale).intersect(&dest.to_region())
    } else {
        Region::default()
    };
    Some(Element {
        id: ElementId::Surface(id.0),
        content,
        source: current.source(),
        transform: current.transform,
        dest,
        opaque,
        news: News {
            damage: current.damage.region().clone(),
            callbacks: current.callbacks.len(),
            feedback: !current.feedback.is_empty(),
        },
    })
}
