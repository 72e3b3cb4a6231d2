//! A screen that is a window in another compositor, the host.
//!
//! What no path of its own can take is composed into memory of ours, which the host shows. The
//! host's frame callbacks are the clock.

use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::Kind;

use super::host_input::Scroll;
use super::wayland::{Drawing, Host, HostEvent};
use crate::clock;
use crate::frame::{Presented, Showing};
use crate::geometry::{Region, Size};
use crate::render::{Drawn, PixmanRenderer, Renderer};
use crate::scene::Scene;
use crate::server::Server;
use crate::{Ended, RunError};

/// The window, and what draws into it.
pub(crate) struct Nested {
    pub host: Host,
    renderer: PixmanRenderer,
    /// For who wants to see the last frame.
    picture: Vec<u32>,
    pub scroll: Scroll,
}

impl Nested {
    /// The screen that `host` has given us.
    pub fn new(host: Host) -> Self {
        Self { host, renderer: PixmanRenderer::new(), picture: Vec::new(), scroll: Scroll::default() }
    }

    /// The screen, in words.
    pub fn describe(&self) -> String {
        let Size { w, h } = self.host.screen().size;
        format!("a window of {w}x{h} pixels in this session")
    }

    /// Draws what changed and has the host show it.
    pub fn show(
        &mut self,
        scene: &Scene,
        damage: &Region,
        drawn: &mut Vec<Drawn>,
    ) -> Result<Showing, RunError> {
        let Some(Drawing { mut target, redraw }) = self.host.acquire(damage)? else {
            return Ok(Showing::Busy);
        };
        self.renderer.render(scene.view(), &mut target, &redraw, drawn);
        Ok(Showing::Soon { frame: self.host.present(damage) })
    }

    /// Asks the host for the next beat of its clock.
    pub fn tick(&mut self) -> Showing {
        self.host.tick();
        Showing::Soon { frame: 0 }
    }

    /// The last frame, as the host has it.
    pub fn last_frame(&mut self) -> Option<&[u32]> {
        self.host.copy_last_frame(&mut self.picture).map(|_| self.picture.as_slice())
    }
}

impl Server {
    /// Deals with what the host says.
    pub fn host_event(&mut self, event: HostEvent) {
        match event {
            HostEvent::Configured(screen) => {
                if self.output.change(screen.size, screen.scale, screen.refresh_mhz) {
                    self.shell_output_changed();
                    self.schedule_frame();
                }
            }
            HostEvent::FrameDone => {
                self.frame_done(clock::now_ns());
                let tells = self.backend.has_presentation();
                let beat = Presented {
                    ns: clock::now_ns_of(self.backend.clock_id()),
                    refresh_ns: self.output.period_ns(),
                    sequence: if tells { self.frames.told_sequence } else { self.frames.sequence },
                    flags: Kind::empty(),
                };
                // What changed nothing that the host could tell the time of shows as of now.
                self.presented(0, beat);
                if tells {
                    self.beat(beat);
                } else {
                    self.presented_all(beat);
                }
            }
            HostEvent::Presented(at) => {
                let flags = Kind::from_bits_truncate(at.flags) - Kind::ZeroCopy;
                let at_host = Presented {
                    ns: at.ns,
                    refresh_ns: at.refresh_ns,
                    sequence: at.sequence,
                    // The host shows our memory; the clients' was copied into it.
                    flags,
                };
                self.frames.told_sequence = at.sequence;
                self.presented(at.frame, at_host);
            }
            HostEvent::Discarded { frame } => self.discarded(frame),
            HostEvent::Closed => self.end(Ended::Closed),
            HostEvent::Lost(error) => self.fail(error.into()),
            HostEvent::Pointer(pointer) => self.host_pointer(pointer),
            HostEvent::Keyboard(keyboard) => self.host_keyboard(keyboard),
        }
    }
}
