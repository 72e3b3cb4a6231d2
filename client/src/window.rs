//! The window: what to do next, given what has happened.
//!
//! Events only note what happened; [`State::step`] then decides, once per turn of the event loop. It draws when a
//! frame is due and a buffer is free, and else does nothing: a client that nobody looks at sleeps.

use std::ops::ControlFlow;
use std::time::Duration;

use calloop::LoopHandle;
use calloop::timer::{TimeoutAction, Timer};
use selkie_protocols::ledger::client::selkie_buffer_record_v1;
use selkie_protocols::ledger::client::selkie_ledger_manager_v1::SelkieLedgerManagerV1;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;
use smithay_client_toolkit::registry::RegistryState;
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::xdg::window::Window;
use smithay_client_toolkit::shm::Shm;
use tracing::{debug, trace};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::{Connection, QueueHandle};

use crate::config::{Config, Redraw, Size};
use crate::dmabuf::Dmabuf;
use crate::error::ClientError;
use crate::feedback::Modifier;
use crate::flight::{Clock, Fate, Flights, Presented};
use crate::handlers::{FeedbackTag, LastTag, RecordTag, Tick};
use crate::layer::Layer;
use crate::ledger::LedgerRecord;
use crate::picture::Picture;
use crate::pool::{Pool, Spec};
use crate::report::Report;
use crate::source::{BufferKind, SourceError};
use crate::sourcing::{self, Buffers, Sourcing};
use crate::stats::{Ended, Histogram, PresentSource, ShrinkOutcome, Statistics};

/// How long after the last frame's callback its presentation feedback may still come.
const FEEDBACK_PATIENCE: Duration = Duration::from_millis(500);

/// Something that happened during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The compositor gave the window this size, in surface coordinates; the picture on it is this one.
    Configured {
        /// The window's size.
        size: Size,
        /// What the main surface shows from now on.
        picture: Picture,
    },
    /// There are buffers, of this kind; said once, or again if the kind changed.
    Buffers(&'a Buffers),
    /// A frame was on the screen (as far as the compositor says).
    Presented {
        /// Its number, from 0.
        frame: u64,
    },
    /// The attempt to shrink the memory was made.
    Shrink(&'a ShrinkOutcome),
    /// The compositor's record of the first presented buffer arrived.
    Record(&'a LedgerRecord),
    /// All frames were shown; the last one stays ([`Config::hold`]).
    Held,
}

/// Is told what happens; `Break` ends the run as [`Ended::Stopped`].
pub type Observer = Box<dyn FnMut(&Event<'_>) -> ControlFlow<()>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Frames are being shown.
    Running,
    /// The last frame stays.
    Holding,
    /// Waiting for the compositor's records.
    Closing,
    Done,
}

/// Everything about a run.
pub struct State {
    pub config: Config,
    pub registry: RegistryState,
    pub shm: Shm,
    pub connection: Connection,
    pub qh: QueueHandle<State>,
    pub window: Window,
    /// The main surface, then the subsurfaces.
    pub layers: Vec<Layer>,
    pub pool: Pool,
    pub presentation: Option<WpPresentation>,
    pub ledger: Option<SelkieLedgerManagerV1>,
    pub dmabuf: Option<Dmabuf>,
    pub sourcing: Sourcing,
    pub report: Report,
    pub statistics: Statistics,
    pub observer: Option<Observer>,
    pub events: LoopHandle<'static, State>,
    progress: Progress,
}

/// What has happened so far.
struct Progress {
    phase: Phase,
    clock: Clock,
    flights: Flights,
    to_present: Histogram,
    to_release: Histogram,
    first_present: Option<u64>,
    last_present: u64,
    /// The size to draw for, once there is one.
    size: Option<Size>,
    /// Whether buffers have to be made before drawing.
    relayout: bool,
    /// Whether new buffers are to be shown, even after the last frame.
    again: bool,
    /// Whether a kind of buffers is still to be told of.
    tell_buffers: bool,
    /// A buffer of this maker was refused.
    refused: Option<String>,
    /// Whether a configure was acknowledged and nothing committed since.
    acknowledged: bool,
    /// Whether it is time for another frame.
    due: bool,
    /// The latest frame callback of this turn, and when it came.
    tick: Option<(u64, u64)>,
    /// A `wl_display.sync` is under way.
    syncing: bool,
    /// Subsurfaces whose last frame is not yet known to be shown.
    unsettled: usize,
    /// The memory is gone: no more drawing.
    shrunk: bool,
    /// Records asked for and not complete.
    awaited: usize,
    asked_first: bool,
    stop: Option<Ended>,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            phase: Phase::Running,
            clock: Clock::MONOTONIC,
            flights: Flights::default(),
            to_present: Histogram::new(),
            to_release: Histogram::new(),
            first_present: None,
            last_present: 0,
            size: None,
            relayout: false,
            again: false,
            tell_buffers: false,
            refused: None,
            acknowledged: false,
            due: true,
            tick: None,
            syncing: false,
            unsettled: 0,
            shrunk: false,
            awaited: 0,
            asked_first: false,
            stop: None,
        }
    }
}

/// What the setup makes and the run uses.
pub struct Parts {
    pub config: Config,
    pub registry: RegistryState,
    pub shm: Shm,
    pub connection: Connection,
    pub qh: QueueHandle<State>,
    pub window: Window,
    pub layers: Vec<Layer>,
    pub presentation: Option<WpPresentation>,
    pub ledger: Option<SelkieLedgerManagerV1>,
    pub dmabuf: Option<Dmabuf>,
    pub report: Report,
    pub observer: Option<Observer>,
    pub events: LoopHandle<'static, State>,
}

impl State {
    pub fn new(parts: Parts) -> State {
        let Parts { config, registry, shm, connection, qh, window, layers, .. } = parts;
        let Parts { presentation, ledger, dmabuf, report, observer, events, .. } = parts;
        let mut statistics = Statistics::new(&config);
        if presentation.is_some() {
            statistics.present_source = PresentSource::Feedback;
        }
        let pool = Pool::new(shm.wl_shm().clone(), config.memory.clone(), config.seals, qh.clone());
        let progress = Progress::default();
        let sourcing = Sourcing::new(config.buffer);
        State {
            config,
            registry,
            shm,
            connection,
            qh,
            window,
            layers,
            pool,
            presentation,
            ledger,
            dmabuf,
            sourcing,
            report,
            statistics,
            observer,
            events,
            progress,
        }
    }

    /// Whether the run is over.
    pub fn is_done(&self) -> bool {
        self.progress.phase == Phase::Done
    }

    // What happened.

    /// The compositor configured the window.
    pub fn configured(&mut self, asked: Size) {
        let fixed = !self.config.resizable || self.config.scene.viewport_destination.is_some();
        let size = if fixed { self.config.size } else { asked.clamped() };
        self.progress.acknowledged = true;
        if self.progress.size == Some(size) {
            return;
        }
        debug!(%size, "configured");
        self.progress.size = Some(size);
        self.progress.relayout = true;
        self.progress.again = true;
        self.progress.due = true;
        self.statistics.size = size;
        let picture = self.config.picture(size);
        self.tell(&Event::Configured { size, picture });
    }

    /// The compositor said which dma-bufs it takes, for the first time or anew.
    pub fn offered(&mut self) {
        let (Some(dmabuf), Some(used)) = (&self.dmabuf, &self.statistics.buffers.modifier) else {
            return;
        };
        let Some(offer) = dmabuf.offer() else { return };
        let chosen = offer.choose(self.config.format).map(|modifier| modifier.to_string());
        // Buffers that it takes no more are replaced; if it takes none at all, those that it has may stay.
        if chosen.is_some_and(|chosen| chosen != *used) {
            self.progress.relayout = true;
            self.progress.again = true;
            self.progress.due = true;
        }
    }

    /// The compositor has made a buffer of a dma-buf.
    pub fn created(&mut self, id: u64, buffer: WlBuffer) {
        self.pool.created(id, buffer);
        self.tell_buffers();
    }

    /// The compositor cannot use a dma-buf.
    pub fn refused(&mut self, id: u64) {
        if let Some(exporter) = self.pool.refused(id) {
            self.progress.refused.get_or_insert(exporter);
        }
    }

    /// A frame callback came.
    pub fn frame_done(&mut self, frame: u64) {
        self.progress.due = true;
        self.progress.tick = Some((frame, self.progress.clock.now()));
    }

    /// The compositor has handled everything up to our last frame.
    pub fn synced(&mut self) {
        self.progress.due = true;
        self.progress.syncing = false;
    }

    /// The last frame of a subsurface that went on alone was shown, or never will be.
    pub fn last_settled(&mut self) {
        self.progress.unsettled = self.progress.unsettled.saturating_sub(1);
    }

    /// The compositor read its last byte of a buffer.
    pub fn released(&mut self, buffer: u64) {
        self.pool.release(buffer);
        self.statistics.released += 1;
        if let Some(time) = self.progress.flights.release(buffer, self.progress.clock.now()) {
            self.progress.to_release.add(time);
        }
    }

    /// The compositor named its clock; None if this system cannot read it.
    pub fn presentation_clock(&mut self, clock: Option<Clock>) {
        match clock {
            Some(clock) => self.progress.clock = clock,
            None => {
                debug!("the compositor's presentation clock cannot be read here: doing without its feedback");
                self.presentation = None;
                self.statistics.present_source = PresentSource::FrameCallback;
            }
        }
    }

    /// The fate of a frame became known.
    pub fn resolve(&mut self, frame: u64, fate: Fate) {
        let Some(flight) = self.progress.flights.resolve(frame, fate) else { return };
        trace!(frame, ?fate, "frame");
        let Fate::Presented(Presented { at, zero_copy, .. }) = fate else {
            self.statistics.discarded += 1;
            return;
        };
        let slot = flight.slot;
        // Frames are presented in their order: what was not shown before this one never will be.
        let committed = flight.committed;
        self.statistics.discarded += self.progress.flights.discard_before(frame);
        self.progress.to_present.add(at.saturating_sub(committed));
        self.progress.first_present.get_or_insert(at);
        self.progress.last_present = at;
        self.statistics.presented += 1;
        self.statistics.zero_copy += u64::from(zero_copy);
        if !std::mem::replace(&mut self.progress.asked_first, true) {
            self.ask_record(slot, RecordTag::First);
        }
        self.tell(&Event::Presented { frame });
    }

    /// Part of a record came. Says whether it was the last part.
    pub fn record(&mut self, tag: &RecordTag, event: selkie_buffer_record_v1::Event) -> bool {
        let record = match tag {
            RecordTag::First => self.statistics.first_record.get_or_insert_default(),
            RecordTag::Last(index) => match self.statistics.records.get_mut(*index) {
                Some(record) => record,
                None => return false,
            },
        };
        let done = record.take(event);
        if done {
            match tag {
                RecordTag::First => {
                    let record = record.clone();
                    self.tell(&Event::Record(&record));
                }
                RecordTag::Last(_) => self.progress.awaited = self.progress.awaited.saturating_sub(1),
            }
        }
        done
    }

    /// Asks for the end of the run.
    pub fn stop(&mut self, why: Ended) {
        self.progress.stop.get_or_insert(why);
    }

    fn tell(&mut self, event: &Event<'_>) {
        if let Some(observer) = &mut self.observer
            && observer(event).is_break()
        {
            self.stop(Ended::Stopped);
        }
    }

    // What to do.

    /// Does what is due.
    pub fn step(&mut self) -> Result<(), ClientError> {
        self.settle_tick();
        while let Some(flight) = self.progress.flights.finished(false) {
            self.report.frame(&flight)?;
        }
        self.misbehave();
        if let Some(why) = self.progress.stop.take() {
            self.finish(why);
        }
        if let Some(error) = self.dmabuf.as_mut().and_then(Dmabuf::error) {
            return Err(error.into());
        }
        if let Some(exporter) = self.progress.refused.take() {
            let kind = self.sourcing.kind();
            self.sourcing.refuse(SourceError::Refused { kind, exporter })?;
            self.progress.relayout = true;
            self.progress.again = true;
            self.progress.due = true;
        }
        if self.progress.relayout && self.wants_to_draw() {
            self.lay_out()?;
        }
        while self.may_draw() {
            self.draw()?;
        }
        if self.progress.acknowledged && self.all_frames_committed() && self.statistics.committed > 0 {
            // Nothing will be drawn for it, but the compositor waits for a commit.
            self.progress.acknowledged = false;
            self.window.commit();
        }
        if self.progress.phase == Phase::Running && self.all_frames_shown() {
            match self.config.hold {
                true => {
                    self.progress.phase = Phase::Holding;
                    self.tell(&Event::Held);
                    if let Some(why) = self.progress.stop.take() {
                        self.finish(why);
                    }
                }
                false => self.finish(Ended::Frames),
            }
        }
        if self.progress.phase == Phase::Closing && self.progress.awaited == 0 {
            self.progress.phase = Phase::Done;
        }
        Ok(())
    }

    /// Without presentation feedback, frame callbacks say what was shown: the latest frame of those that come
    /// together, in place of the ones before.
    fn settle_tick(&mut self) {
        let Some((frame, at)) = self.progress.tick.take() else { return };
        if self.presentation.is_none() {
            return self.presented_by_callback(frame, at);
        }
        // Some compositors forget the feedback of a frame (sway 1.7, after a window got its place). That is noticed
        // only if nothing follows: then the frame callback has to do.
        if self.all_frames_committed() && frame + 1 == self.statistics.committed {
            let forgotten = move |_, _: &mut (), state: &mut State| {
                state.presented_by_callback(frame, at);
                TimeoutAction::Drop
            };
            // Should there be no timer, the run goes on waiting.
            let _ = self.events.insert_source(Timer::from_duration(FEEDBACK_PATIENCE), forgotten);
        }
    }

    fn presented_by_callback(&mut self, frame: u64, at: u64) {
        self.resolve(frame, Fate::Presented(Presented { at, sequence: 0, refresh: 0, zero_copy: false }));
    }

    fn all_frames_committed(&self) -> bool {
        self.config.frames.is_some_and(|frames| self.statistics.committed >= frames)
    }

    fn all_frames_shown(&self) -> bool {
        self.all_frames_committed()
            && !self.progress.flights.any_pending()
            && !self.progress.syncing
            && self.progress.unsettled == 0
    }

    fn frozen(&self) -> bool {
        self.config.scene.freeze_main_after.is_some_and(|frames| self.statistics.committed >= frames)
    }

    fn wants_to_draw(&self) -> bool {
        let progress = &self.progress;
        let running = match progress.phase {
            Phase::Running => !self.all_frames_committed() || progress.again,
            Phase::Holding => progress.again,
            Phase::Closing | Phase::Done => false,
        };
        let due = progress.due || !(self.config.pace || self.frozen());
        running && due && progress.size.is_some() && progress.stop.is_none()
    }

    fn may_draw(&self) -> bool {
        let first = usize::from(self.frozen());
        let free = || (first..self.layers.len()).all(|layer| self.pool.has_free(layer));
        self.wants_to_draw() && !self.progress.relayout && free()
    }

    /// Makes the buffers for the current size, as soon as it is known which the compositor takes.
    fn lay_out(&mut self) -> Result<(), ClientError> {
        let size = self.progress.size.unwrap_or(self.config.size);
        let mut pictures = vec![self.config.picture(size)];
        pictures.extend(self.config.scene.subsurfaces.iter().map(|s| s.picture()));
        let specs: Vec<_> =
            self.layers.iter_mut().zip(pictures).map(|(l, p)| l.lay_out(p, &self.config)).collect();
        let modifier = loop {
            let laid_out = match self.sourcing.kind() {
                BufferKind::Shm => self.lay_out_shm(&specs).map(|()| Some(None)),
                _ => self.lay_out_dma(&specs).map(|modifier| modifier.map(Some)),
            };
            match laid_out {
                Ok(Some(modifier)) => break modifier,
                // The compositor is still to say what it takes.
                Ok(None) => return Ok(()),
                Err(ClientError::Source(error)) => self.sourcing.refuse(error)?,
                Err(error) => return Err(error),
            }
        };
        self.progress.relayout = false;
        if self.statistics.committed == 0 {
            self.layers[0].set_up(&self.config)?;
        }
        self.statistics.pool_bytes = self.pool.bytes();
        let exporter = self.pool.slots().find_map(|slot| Some(slot.memory.as_ref()?.exporter().to_owned()));
        let buffers = Buffers {
            kind: self.sourcing.kind().name(),
            exporter,
            modifier: modifier.map(|modifier| modifier.to_string()),
            refused: self.sourcing.refused.clone(),
        };
        if buffers != self.statistics.buffers {
            self.statistics.buffers = buffers;
            self.progress.tell_buffers = true;
        }
        self.tell_buffers();
        Ok(())
    }

    fn lay_out_shm(&mut self, specs: &[Spec]) -> Result<(), ClientError> {
        if self.statistics.committed == 0 {
            for format in specs.iter().map(|spec| spec.picture.format) {
                if format.is_yuv() {
                    return Err(SourceError::NotInShm { format: format.fourcc() }.into());
                }
                if !self.shm.formats().contains(&format.wl_shm()) {
                    return Err(ClientError::Format { format: format.name() });
                }
            }
        }
        Ok(self.pool.lay_out(specs, self.config.buffers)?)
    }

    /// The modifier of the main surface; None if it is not yet known what is offered.
    fn lay_out_dma(&mut self, specs: &[Spec]) -> Result<Option<Modifier>, ClientError> {
        let dmabuf = self.dmabuf.as_ref().ok_or(SourceError::NoGlobal)?;
        let Some(offer) = dmabuf.offer() else { return Ok(None) };
        let modifiers = sourcing::modifiers(offer, specs)?;
        let source = self.sourcing.source(&self.config, offer)?;
        let specs: Vec<_> = specs.iter().copied().zip(modifiers.iter().copied()).collect();
        self.pool.lay_out_dma(dmabuf, source, &specs, self.config.buffers)?;
        Ok(modifiers.first().copied())
    }

    /// Tells of a new kind of buffers, once the compositor has all of them.
    fn tell_buffers(&mut self) {
        if self.progress.tell_buffers && self.pool.is_complete() {
            self.progress.tell_buffers = false;
            let buffers = self.statistics.buffers.clone();
            self.tell(&Event::Buffers(&buffers));
        }
    }

    /// Draws and commits one frame: the subsurfaces first, since synchronised ones wait for their parent.
    fn draw(&mut self) -> Result<(), ClientError> {
        self.progress.again = false;
        let frozen = self.frozen();
        // A window that is resized after its last frame shows that frame once more.
        let again = self.all_frames_committed();
        let frame = self.statistics.committed.saturating_sub(u64::from(again));
        let redraw = if self.progress.shrunk { Redraw::Never } else { self.config.redraw };
        for index in (1..self.layers.len()).chain((!frozen).then_some(0)) {
            let layer = &mut self.layers[index];
            // Checked by `may_draw`, and new buffers are free.
            let Some((slot, backing)) = self.pool.take(index) else { continue };
            if !self.progress.shrunk {
                // A picture has 32 bits for its number; then it starts again.
                layer.draw(slot, backing, frame as u32, redraw)?;
            }
            layer.attach(slot, redraw);
            if index == 0 && !again {
                layer.surface.frame(&self.qh, Tick::Frame(frame));
                if let Some(presentation) = &self.presentation {
                    presentation.feedback(&layer.surface, &self.qh, FeedbackTag(frame));
                }
                self.progress.flights.start(frame, slot.id, self.progress.clock.now());
            }
            let is_last = frozen && self.config.frames.is_some_and(|frames| frame + 1 == frames);
            let alone = index
                .checked_sub(1)
                .and_then(|n| self.config.scene.subsurfaces.get(n))
                .is_some_and(|s| !s.sync);
            if is_last
                && alone
                && !again
                && let Some(presentation) = &self.presentation
            {
                presentation.feedback(&layer.surface, &self.qh, LastTag);
                self.progress.unsettled += 1;
            }
            layer.surface.commit();
        }
        if frozen && !again {
            self.connection.display().sync(&self.qh, Tick::Sync);
            self.progress.syncing = true;
        }
        self.progress.due = false;
        self.progress.acknowledged &= frozen;
        if !again {
            self.statistics.committed += 1;
        }
        Ok(())
    }

    /// Tries what [`Config::shrink_after`] asks for.
    fn misbehave(&mut self) {
        let due = self.config.shrink_after.is_some_and(|frames| self.statistics.presented >= frames);
        let Some(backing) = self.pool.backing().filter(|_| due && self.statistics.shrink.is_none()) else {
            return;
        };
        let result = backing.shrink(self.config.shrink_to);
        let outcome = ShrinkOutcome {
            to: self.config.shrink_to,
            from: self.pool.bytes(),
            errno: result.as_ref().err().and_then(|error| error.raw_os_error()),
            text: result.as_ref().err().map_or_else(|| "it shrank".to_owned(), |error| error.to_string()),
        };
        self.progress.shrunk = result.is_ok();
        self.tell(&Event::Shrink(&outcome));
        self.statistics.shrink = Some(outcome);
    }

    /// Ends the run, once the compositor has told what it knows about the buffers.
    fn finish(&mut self, why: Ended) {
        if !matches!(self.progress.phase, Phase::Running | Phase::Holding) {
            return;
        }
        self.statistics.ended = why;
        self.progress.phase = Phase::Closing;
        if self.ledger.is_some() {
            let slots = self.pool.slots().filter(|slot| slot.buffer.is_some());
            let slots: Vec<(u64, usize)> = slots.map(|slot| (slot.id, slot.layer)).collect();
            for (index, (slot, surface)) in slots.into_iter().enumerate() {
                self.statistics.records.push(LedgerRecord { surface, ..LedgerRecord::default() });
                self.progress.awaited += 1;
                self.ask_record(slot, RecordTag::Last(index));
            }
        }
    }

    fn ask_record(&self, slot: u64, tag: RecordTag) {
        if let Some(ledger) = &self.ledger
            && let Some(buffer) = self.pool.slots().find(|s| s.id == slot).and_then(|s| s.buffer.as_ref())
        {
            ledger.get_record(buffer, &self.qh, tag);
        }
    }

    /// Completes the statistics, and writes the end of the report.
    pub fn close(&mut self) -> Result<(), ClientError> {
        let progress = &mut self.progress;
        let first = progress.first_present.unwrap_or(progress.last_present);
        let seconds = progress.last_present.saturating_sub(first) as f64 / 1e9;
        let statistics = &mut self.statistics;
        statistics.seconds = seconds;
        if statistics.presented > 1 && seconds > 0.0 {
            statistics.rate = (statistics.presented - 1) as f64 / seconds;
        }
        statistics.commit_to_present = progress.to_present.latency();
        statistics.commit_to_release = progress.to_release.latency();
        // Records that were asked for and never answered say nothing.
        if progress.awaited > 0 {
            statistics.records.retain(|record| !record.verdict.is_empty());
        }
        while let Some(flight) = progress.flights.finished(true) {
            self.report.frame(&flight)?;
        }
        self.report.finish(&self.statistics)
    }
}
