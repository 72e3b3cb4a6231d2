//! Our window in the host: its size, its scale, its clock.

use smithay_client_toolkit::compositor::CompositorHandler;
use smithay_client_toolkit::dispatch2::Dispatch2;
use smithay_client_toolkit::output::{OutputHandler, OutputState};
use smithay_client_toolkit::registry::{ProvidesRegistryState, RegistryState};
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::xdg::window::{Window, WindowConfigure, WindowHandler};
use smithay_client_toolkit::{delegate_dispatch2, delegate_registry, registry_handlers};
use wayland_client::protocol::{wl_output, wl_surface};
use wayland_client::{Connection, Proxy, QueueHandle, WEnum};

use selkie_protocols::upstream::wp::presentation_time::client::{
    wp_presentation::{self, WpPresentation},
    wp_presentation_feedback::{self, Kind, WpPresentationFeedback},
};

use super::event::{HostEvent, PresentedAt, Screen};
use super::input::Seats;
use super::{Host, Silent};
use crate::geometry::{Size, clamp};

/// The largest output, as for the other backends.
const LARGEST: i64 = 16384;

impl Host {
    /// Tells if what we show on differs from what was told last.
    fn update_screen(&mut self) {
        if !self.configured {
            return;
        }
        let scale = self.scale.max(1);
        let px = |v: i32| {
            // A size that the host can show as it is: a multiple of the scale.
            let most = LARGEST - LARGEST % scale as i64;
            clamp((v as i64 * scale as i64).clamp(scale as i64, most))
        };
        let size = Size::new(px(self.logical.w), px(self.logical.h));
        let screen = Screen { size, scale, refresh_mhz: self.refresh_mhz() };
        if screen != self.screen {
            self.screen = screen;
            self.events.push_back(HostEvent::Configured(screen));
        }
    }

    /// Frames per 1000 seconds of the screen that we are on: the fastest, if there are several.
    fn refresh_mhz(&self) -> i32 {
        let rate = |o: &wl_output::WlOutput| {
            let modes = self.outputs.info(o)?.modes;
            modes.iter().find(|m| m.current).map(|m| m.refresh_rate)
        };
        let here = self.on.iter().filter_map(rate).max();
        here.or_else(|| self.outputs.outputs().find_map(|o| rate(&o))).unwrap_or(0).max(0)
    }
}

impl WindowHandler for Host {
    fn request_close(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &Window) {
        self.events.push_back(HostEvent::Closed);
    }

    fn configure(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &Window,
        configure: WindowConfigure,
        _: u32,
    ) {
        let (w, h) = configure.new_size;
        let to_i32 = |v: std::num::NonZeroU32| i32::try_from(v.get()).unwrap_or(i32::MAX);
        // Where the host leaves it to us, it stays as it is.
        self.logical.w = w.map_or(self.logical.w, to_i32);
        self.logical.h = h.map_or(self.logical.h, to_i32);
        self.configured = true;
        self.update_screen();
    }
}

impl CompositorHandler for Host {
    fn scale_factor_changed(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        surface: &wl_surface::WlSurface,
        factor: i32,
    ) {
        // Without set_buffer_scale, the host scales our picture.
        if surface.version() >= wl_surface::REQ_SET_BUFFER_SCALE_SINCE {
            self.scale = factor.clamp(1, 16);
            self.update_screen();
        }
    }

    fn transform_changed(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_surface::WlSurface,
        _: wl_output::Transform,
    ) {
    }

    fn frame(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &wl_surface::WlSurface, _: u32) {}

    fn surface_enter(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_surface::WlSurface,
        output: &wl_output::WlOutput,
    ) {
        self.on.push(output.clone());
        self.update_screen();
    }

    fn surface_leave(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_surface::WlSurface,
        output: &wl_output::WlOutput,
    ) {
        self.on.retain(|o| o != output);
        self.update_screen();
    }
}

impl OutputHandler for Host {
    fn output_state(&mut self) -> &mut OutputState {
        &mut self.outputs
    }

    fn new_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_output::WlOutput) {
        self.update_screen();
    }

    fn update_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_output::WlOutput) {
        self.update_screen();
    }

    fn output_destroyed(&mut self, _: &Connection, _: &QueueHandle<Self>, output: wl_output::WlOutput) {
        self.on.retain(|o| *o != output);
        self.update_screen();
    }
}

/// The data of wp_presentation.
pub(super) struct Clock;

impl Dispatch2<WpPresentation, Host> for Clock {
    fn event(
        &self,
        host: &mut Host,
        _: &WpPresentation,
        event: wp_presentation::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        if let wp_presentation::Event::ClockId { clk_id } = event {
            host.clock_id = Some(clk_id);
        }
    }
}

/// The data of wp_presentation_feedback: what it is about.
pub(super) struct FrameNumber {
    pub number: u64,
    /// Whether it is a client's memory that shows.
    pub exported: bool,
}

impl Dispatch2<WpPresentationFeedback, Host> for FrameNumber {
    fn event(
        &self,
        host: &mut Host,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        _: &Connection,
        _: &QueueHandle<Host>,
    ) {
        use wp_presentation_feedback::Event;
        let frame = self.number;
        host.events.push_back(match event {
            Event::Presented { tv_sec_hi, tv_sec_lo, tv_nsec, refresh, seq_hi, seq_lo, flags } => {
                let joined = |hi: u32, lo: u32| u64::from(hi) << 32 | u64::from(lo);
                let seconds = joined(tv_sec_hi, tv_sec_lo);
                HostEvent::Presented(PresentedAt {
                    frame,
                    ns: seconds.saturating_mul(1_000_000_000).saturating_add(tv_nsec.into()),
                    refresh_ns: refresh,
                    sequence: joined(seq_hi, seq_lo),
                    flags: match flags {
                        WEnum::Value(v) if self.exported => v.bits(),
                        // The host shows our memory; the clients' was copied into it.
                        WEnum::Value(v) => (v - Kind::ZeroCopy).bits(),
                        WEnum::Unknown(_) => 0,
                    },
                })
            }
            Event::Discarded => HostEvent::Discarded { frame },
            _ => return,
        });
    }
}

impl ProvidesRegistryState for Host {
    fn registry(&mut self) -> &mut RegistryState {
        &mut self.registry
    }

    registry_handlers![OutputState, Seats];
}

/// For objects whose events say nothing to us, or that have none.
impl<I: Proxy> Dispatch2<I, Host> for Silent {
    fn event(&self, _: &mut Host, _: &I, _: I::Event, _: &Connection, _: &QueueHandle<Host>) {}
}

delegate_registry!(Host);
delegate_dispatch2!(Host);

/// The surface of the window.
pub(super) fn surface(window: &Window) -> &wl_surface::WlSurface {
    window.wl_surface()
}
