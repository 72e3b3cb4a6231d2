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
}
