//! Which window is on top, which is active, and what is under a point.

use super::Shell;
use crate::geometry::Point;
use crate::server::Server;
use crate::surface::{Surface, SurfaceId, Surfaces};

impl Shell {
    /// The mapped window that a surface is part of, as a subsurface or in a popup.
    pub fn window_of(&self, surfaces: &Surfaces, surface: SurfaceId) -> Option<SurfaceId> {
        self.lineage(surfaces.root(surface))
            .find(|s| self.window(*s).is_some())
            .filter(|w| self.is_mapped(*w))
    }

    /// Brings a window to the top, under its dialogs and above the windows it is a dialog of.
    ///
    /// Three groups, each in the order it had: windows that are not related, those that are, and the
    /// window with its own dialogs.
    fn raise(&mut self, id: SurfaceId) {
        let top = self.ancestors(id).last().unwrap_or(id);
        let group = |shell: &Shell, w: SurfaceId| match shell.ancestors(w).any(|a| a == id) {
            true => 2,
            false => u8::from(shell.ancestors(w).any(|a| a == top)),
        };
        let mut stack: Vec<(u8, SurfaceId)> = self.stack.iter().map(|w| (group(self, *w), *w)).collect();
        stack.sort_by_key(|(group, _)| *group);
        self.stack.clear();
        self.stack.extend(stack.into_iter().map(|(_, w)| w));
    }

    /// Puts a window that has got a new parent, with its dialogs, above that.
    pub(super) fn keep_above(&mut self, id: SurfaceId) {
        let place = |w: SurfaceId| self.stack.iter().position(|s| *s == w);
        let parent = self.window(id).and_then(|w| w.parent).and_then(place);
        if parent > place(id) {
            self.raise(id);
        }
    }
}

/// Whether a surface takes input at a point in it.
fn takes_input(surface: &Surface, x: f64, y: f64) -> bool {
    let size = surface.current.size;
    let inside = x >= 0.0 && y >= 0.0 && x < f64::from(size.w) && y < f64::from(size.h);
    // Both are between 0 and an i32.
    inside && surface.current.input.as_ref().is_none_or(|r| r.contains_point(x as i32, y as i32).is_some())
}

impl Server {
    /// The topmost surface that takes input at a point of the output, and that point in it.
    pub fn surface_under(&self, point: (f64, f64)) -> Option<(SurfaceId, (f64, f64))> {
        for root in self.shell.roots(&self.surfaces, &self.output).rev() {
            let mut hit = None;
            self.surfaces.walk(root.surface, root.origin, &mut |id, surface, Point { x, y }| {
                let local = (point.0 - f64::from(x), point.1 - f64::from(y));
                if takes_input(surface, local.0, local.1) {
                    hit = Some((id, local));
                }
            });
            if hit.is_some() || self.shell.is_fullscreen(root.surface) {
                return hit;
            }
        }
        None
    }

    /// Makes the window that `surface` is part of the active one, on top of all; `None`: there is no
    /// active window.
    pub fn shell_activate(&mut self, surface: Option<SurfaceId>) {
        let window = surface.and_then(|s| self.shell.window_of(&self.surfaces, s));
        if let Some(window) = window
            && self.shell.stack.last() != Some(&window)
        {
            self.shell.raise(window);
            self.schedule_frame();
        }
        let before = std::mem::replace(&mut self.shell.active, window);
        if before == window {
            return;
        }
        for (id, activated) in [(before, false), (window, true)] {
            if let Some(id) = id
                && let Some(window) = self.shell.window_mut(id)
            {
                window.wants.activated = activated;
                self.configure_window(id);
            }
        }
        // A menu belongs to the window that is in use.
        let grabbing = self.shell.popup_grabs.last().copied();
        if grabbing.is_some_and(|p| self.shell.window_of(&self.surfaces, p) != window) {
            self.dismiss_grabs();
        }
    }
}
