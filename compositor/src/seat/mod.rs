//! Pointer, keyboard and clipboard.

use wayland_server::DisplayHandle;

use crate::scene::Element;
use crate::server::Server;
use crate::shell::Root;
use crate::surface::{Applied, SurfaceId};

/// The one seat.
pub(crate) struct Seat {}

impl Seat {
    /// A seat nobody looks at; advertises its globals.
    pub fn new(_display: &DisplayHandle) -> Self {
        Self {}
    }

    /// Surfaces that follow the pointer, bottom first: a drag's icon, a client's cursor.
    pub fn icon_roots(&self) -> impl Iterator<Item = Root> {
        std::iter::empty()
    }

    /// The compositor's own cursor, where it shows.
    pub fn cursor_element(&self, _scale: i32) -> Option<Element> {
        None
    }
}

impl Server {
    /// After a commit of a cursor's or an icon's surface was applied.
    pub fn seat_committed(&mut self, _id: SurfaceId, _applied: Applied) {}

    /// A surface is being destroyed.
    pub fn seat_surface_gone(&mut self, _id: SurfaceId) {}

    /// Gives the keyboard to a surface.
    pub fn seat_focus(&mut self, _surface: Option<SurfaceId>) {}

    /// Gives the keyboard to a popup as long as it is the topmost that grabs.
    pub fn seat_popup_grab(&mut self, _popup: Option<SurfaceId>) {}

    /// Finds out anew what is under the pointer.
    pub fn seat_refresh(&mut self) {}

    /// Whether a serial is that of a press on the surface that still holds.
    pub fn seat_valid_grab_serial(&self, _surface: SurfaceId, _serial: u32) -> bool {
        true
    }

    /// Where the pointer is.
    pub fn seat_pointer_position(&self) -> (f64, f64) {
        (0.0, 0.0)
    }
}
