//! Windows and popups: xdg_shell, and where things are on the screen.

use wayland_server::DisplayHandle;

use crate::error::Outcome;
use crate::geometry::Point;
use crate::protocol::output::OutputState;
use crate::server::Server;
use crate::surface::{Applied, SurfaceId, Surfaces};

/// A surface tree to show, and where its root's top left corner is, in surface-local units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    pub surface: SurfaceId,
    pub origin: Point,
}

/// All windows and popups.
pub(crate) struct Shell {}

impl Shell {
    /// No windows; advertises `xdg_wm_base`.
    pub fn new(_display: &DisplayHandle) -> Self {
        Self {}
    }

    /// What is to be shown, bottom first: windows, each followed by its popups.
    pub fn roots(&self, _surfaces: &Surfaces, _output: &OutputState) -> impl Iterator<Item = Root> {
        std::iter::empty()
    }
}

impl Server {
    /// Before a commit of a surface with a shell role: may it?
    pub fn shell_check(&mut self, _id: SurfaceId) -> Outcome {
        Ok(())
    }

    /// After a commit of a surface with a shell role was applied.
    pub fn shell_committed(&mut self, _id: SurfaceId, _applied: Applied) {}

    /// Whether the object that gave the surface its role still exists.
    pub fn role_object_alive(&self, _id: SurfaceId) -> bool {
        false
    }

    /// A surface is being destroyed.
    pub fn shell_surface_gone(&mut self, _id: SurfaceId) {}
}
