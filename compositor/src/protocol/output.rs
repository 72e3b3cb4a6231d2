//! `wl_output`: the one screen there is.

use selkie_protocols::upstream::wp::presentation_time::server::wp_presentation_feedback::WpPresentationFeedback;
use selkie_protocols::upstream::xdg::xdg_output::zv1::server::zxdg_output_v1::ZxdgOutputV1;
use wayland_server::protocol::wl_output::{self, WlOutput};
use wayland_server::protocol::wl_surface::WlSurface;
use wayland_server::{Resource, Weak};

use super::global;
use super::xdg_output::tell_size;
use crate::dispatch::{Ctx, Requests, client_state};
use crate::error::Outcome;
use crate::geometry::Size;
use crate::server::Server;

/// The screen's name.
pub(super) const NAME: &str = "SELKIE-1";
/// What it is, for people.
pub(super) const DESCRIPTION: &str = "selkie's picture";

global!(WlOutput, 4, |server, client, object, init| {
    let output = init.init(object, OutputData);
    server.output.describe(&output);
    // Surfaces that came before the client asked what they are on.
    let key = client_state(client).key;
    for (_, surface) in server.surfaces.iter().filter(|(_, s)| s.told_on_output && s.client.key == key) {
        surface.resource.enter(&output);
    }
    server.output.bound.push(output.downgrade());
});

/// A bound `wl_output`.
struct OutputData;

impl Requests<WlOutput> for OutputData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &WlOutput, _: wl_output::Request) -> Outcome {
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &WlOutput) {
        server.output.bound.retain(|o| o.id() != object.id());
    }
}

/// The screen, as clients are told.
pub(crate) struct OutputState {
    size: Size,
    scale: i32,
    /// Thousandths of a frame per second; 0 where there is no rhythm.
    refresh_mhz: i32,
    bound: Vec<Weak<WlOutput>>,
    /// Those who want to know it in logical units.
    pub described: Vec<Weak<ZxdgOutputV1>>,
}

impl OutputState {
    /// A screen of `size` pixels.
    pub fn new(size: Size, scale: i32, refresh_mhz: i32) -> Self {
        Self { size, scale, refresh_mhz, bound: Vec::new(), described: Vec::new() }
    }

    /// Its size in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pixels per surface-local unit.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// Its size in surface-local units.
    pub fn logical_size(&self) -> Size {
        Size::new(self.size.w / self.scale, self.size.h / self.scale)
    }

    /// Nanoseconds from one frame to the next; 0 where there is no rhythm.
    pub fn period_ns(&self) -> u32 {
        match self.refresh_mhz {
            0 => 0,
            // At most 10^12, divided by at least 1, of which a u32 holds all from 233 mHz on.
            mhz => u32::try_from(1_000_000_000_000 / i64::from(mhz)).unwrap_or(u32::MAX),
        }
    }

    /// Changes the screen and tells everybody. Returns whether anything changed.
    pub fn change(&mut self, size: Size, scale: i32, refresh_mhz: i32) -> bool {
        if (self.size, self.scale, self.refresh_mhz) == (size, scale, refresh_mhz) {
            return false;
        }
        (self.size, self.scale, self.refresh_mhz) = (size, scale, refresh_mhz);
        for described in self.described.iter().filter_map(|o| o.upgrade().ok()) {
            tell_size(&described, self.logical_size());
        }
        // Which ends with the `done` that the above waits for.
        for output in self.bound.iter().filter_map(|o| o.upgrade().ok()) {
            self.describe(&output);
        }
        true
    }

    /// Tells `surface` whether it is on the screen.
    pub fn tell(&self, surface: &WlSurface, on: bool) {
        let client = surface.client();
        for output in self.bound.iter().filter_map(|o| o.upgrade().ok()) {
            if output.client() == client {
                if on { surface.enter(&output) } else { surface.leave(&output) }
            }
        }
    }

    /// Tells which output `feedback` is about.
    pub fn sync(&self, feedback: &WpPresentationFeedback) {
        let client = feedback.client();
        for output in self.bound.iter().filter_map(|o| o.upgrade().ok()) {
            if output.client() == client {
                feedback.sync_output(&output);
            }
        }
    }

    fn describe(&self, output: &WlOutput) {
        use wl_output::{Mode, Subpixel, Transform};
        output.geometry(0, 0, 0, 0, Subpixel::Unknown, "selkie".into(), "selkie".into(), Transform::Normal);
        output.mode(Mode::Current | Mode::Preferred, self.size.w, self.size.h, self.refresh_mhz);
        if output.version() >= 2 {
            output.scale(self.scale);
        }
        if output.version() >= 4 {
            output.name(NAME.into());
            output.description(DESCRIPTION.into());
        }
        if output.version() >= 2 {
            output.done();
        }
    }
}
