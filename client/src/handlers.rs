//! What the compositor sends, handed to [`State`]: nothing is decided here.

use selkie_protocols::ledger::client::selkie_buffer_record_v1::{self, SelkieBufferRecordV1};
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::{self, WpPresentation};
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation_feedback::{
    self, Kind, WpPresentationFeedback,
};
use smithay_client_toolkit::dispatch2::Dispatch2;
use smithay_client_toolkit::registry::{ProvidesRegistryState, RegistryState};
use smithay_client_toolkit::shell::xdg::window::{Window, WindowConfigure, WindowHandler};
use smithay_client_toolkit::shm::{Shm, ShmHandler};
use smithay_client_toolkit::{delegate_dispatch2, delegate_registry};
use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::{Connection, Proxy, QueueHandle, WEnum};

use crate::config::Size;
use crate::flight::{Clock, Fate, Presented};
use crate::stats::Ended;
use crate::window::State;

/// For objects whose events do not concern this client.
#[derive(Debug)]
pub struct Quiet;

/// For a buffer: its number in the pool.
#[derive(Debug)]
pub struct BufferTag(pub u64);

/// For a callback.
#[derive(Debug)]
pub enum Tick {
    /// The frame callback of this frame.
    Frame(u64),
    /// The answer to a `wl_display.sync`.
    Sync,
}

/// For a presentation feedback: the frame it is about.
#[derive(Debug)]
pub struct FeedbackTag(pub u64);

/// For the presentation feedback of the last frame of a subsurface that goes on without its parent.
#[derive(Debug)]
pub struct LastTag;

impl Dispatch2<WpPresentationFeedback, State> for LastTag {
    fn event(
        &self,
        state: &mut State,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        _: &Connection,
        _: &Qh,
    ) {
        if !matches!(event, wp_presentation_feedback::Event::SyncOutput { .. }) {
            state.last_settled();
        }
    }
}

/// For a record of the ledger: where it belongs.
#[derive(Debug)]
pub enum RecordTag {
    /// [`crate::Statistics::first_record`].
    First,
    /// This one of [`crate::Statistics::records`].
    Last(usize),
}

type Qh = QueueHandle<State>;

impl<I: Proxy> Dispatch2<I, State> for Quiet {
    fn event(&self, _: &mut State, _: &I, _: I::Event, _: &Connection, _: &Qh) {}
}

impl Dispatch2<WlBuffer, State> for BufferTag {
    fn event(&self, state: &mut State, _: &WlBuffer, event: wl_buffer::Event, _: &Connection, _: &Qh) {
        if let wl_buffer::Event::Release = event {
            state.released(self.0);
        }
    }
}

impl Dispatch2<WlCallback, State> for Tick {
    fn event(&self, state: &mut State, _: &WlCallback, _: wl_callback::Event, _: &Connection, _: &Qh) {
        match self {
            Tick::Frame(frame) => state.frame_done(*frame),
            Tick::Sync => state.synced(),
        }
    }
}

/// For wp_presentation itself.
#[derive(Debug)]
pub struct ClockTag;

impl Dispatch2<WpPresentation, State> for ClockTag {
    fn event(
        &self,
        state: &mut State,
        _: &WpPresentation,
        event: wp_presentation::Event,
        _: &Connection,
        _: &Qh,
    ) {
        if let wp_presentation::Event::ClockId { clk_id } = event {
            state.presentation_clock(Clock::from_id(clk_id));
        }
    }
}

impl Dispatch2<WpPresentationFeedback, State> for FeedbackTag {
    fn event(
        &self,
        state: &mut State,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        _: &Connection,
        _: &Qh,
    ) {
        use wp_presentation_feedback::Event;
        let wide = |hi: u32, lo: u32| u64::from(hi) << 32 | u64::from(lo);
        match event {
            Event::Presented { tv_sec_hi, tv_sec_lo, tv_nsec, refresh, seq_hi, seq_lo, flags } => {
                let seconds = wide(tv_sec_hi, tv_sec_lo);
                let at = seconds.saturating_mul(1_000_000_000).saturating_add(tv_nsec.into());
                let zero_copy = match flags {
                    WEnum::Value(flags) => flags.contains(Kind::ZeroCopy),
                    WEnum::Unknown(bits) => bits & Kind::ZeroCopy.bits() != 0,
                };
                let sequence = wide(seq_hi, seq_lo);
                state.resolve(self.0, Fate::Presented(Presented { at, sequence, refresh, zero_copy }));
            }
            Event::Discarded => state.resolve(self.0, Fate::Discarded),
            _ => {}
        }
    }
}

impl Dispatch2<SelkieBufferRecordV1, State> for RecordTag {
    fn event(
        &self,
        state: &mut State,
        record: &SelkieBufferRecordV1,
        event: selkie_buffer_record_v1::Event,
        _: &Connection,
        _: &Qh,
    ) {
        if state.record(self, event) {
            record.destroy();
        }
    }
}

impl ShmHandler for State {
    fn shm_state(&mut self) -> &mut Shm {
        &mut self.shm
    }
}

impl WindowHandler for State {
    fn request_close(&mut self, _: &Connection, _: &Qh, _: &Window) {
        self.stop(Ended::Closed);
    }

    fn configure(&mut self, _: &Connection, _: &Qh, _: &Window, configure: WindowConfigure, _serial: u32) {
        let (width, height) = configure.new_size;
        let size = self.config.size;
        let size = Size::new(width.map_or(size.width, |w| w.get()), height.map_or(size.height, |h| h.get()));
        self.configured(size);
    }
}

impl ProvidesRegistryState for State {
    fn registry(&mut self) -> &mut RegistryState {
        &mut self.registry
    }

    fn runtime_add_global(&mut self, _: &Connection, _: &Qh, _: u32, _: &str, _: u32) {}

    fn runtime_remove_global(&mut self, _: &Connection, _: &Qh, _: u32, _: &str) {}
}

delegate_registry!(State);
delegate_dispatch2!(State);
