//! A window: what its `xdg_toplevel` says, what was asked of it, and where it is.

use selkie_protocols::upstream::xdg::shell::server::xdg_toplevel::{
    self, EVT_CONFIGURE_BOUNDS_SINCE, EVT_WM_CAPABILITIES_SINCE, WmCapabilities, XdgToplevel,
};
use wayland_server::Resource;

use super::configure::Asked;
use super::grab::Anchor;
use super::placement::{cell, centred, emptiest_cell, least_covering};
use super::{MAX_DEPTH, Part, Shell};
use crate::config::Placement;
use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Point, Rect, Size};
use crate::server::Server;
use crate::surface::SurfaceId;

/// Longer titles and application ids are cut.
const MAX_TEXT: usize = 1024;

/// At least so much of a window stays on an output that becomes smaller.
const REACHABLE: i32 = 32;

/// What a window can be told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    /// The size of its window geometry; 0 is for the client to choose.
    pub size: Size,
    pub maximized: bool,
    pub fullscreen: bool,
    pub resizing: bool,
    pub activated: bool,
}

impl State {
    /// Whether it has a place of its own.
    pub fn floats(&self) -> bool {
        !self.maximized && !self.fullscreen
    }
}

/// Where a floating window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There.
    At(Point),
    /// In the middle of a cell of the grid.
    Cell { index: usize, columns: u32, rows: u32 },
}

/// A window.
pub(crate) struct Window {
    pub resource: XdgToplevel,
    title: String,
    app_id: String,
    /// The window that it is a dialog of; mapped.
    pub parent: Option<SurfaceId>,
    pub pending_min: Option<Size>,
    pub pending_max: Option<Size>,
    min: Size,
    max: Size,
    /// What it is to be; its size is worked out when it is told.
    pub wants: State,
    /// What the client has agreed to be.
    pub now: State,
    /// Its size when it floats, for it to return to; 0 is for the client to choose.
    pub floating: Size,
    pub place: Place,
    /// Whether that was chosen: a window that begins maximised gets its place when it first floats.
    placed: bool,
    /// What stays where it is while the user resizes it.
    pub anchor: Option<Anchor>,
    /// Whether a size is to be sent when the last one has been acked.
    pub size_waits: bool,
    bounds: Option<Size>,
    capable: bool,
    /// Its mapped popups and theirs, bottom first.
    pub popups: Vec<SurfaceId>,
}

impl Window {
    /// A window that nothing is known about.
    pub fn new(resource: XdgToplevel) -> Self {
        Self {
            resource,
            title: String::new(),
            app_id: String::new(),
            parent: None,
            pending_min: None,
            pending_max: None,
            min: Size::default(),
            max: Size::default(),
            wants: State::default(),
            now: State::default(),
            floating: Size::default(),
            place: Place::At(Point::default()),
            placed: false,
            anchor: None,
            size_waits: false,
            bounds: None,
            capable: false,
            popups: Vec::new(),
        }
    }

    /// Sets the title.
    pub fn set_title(&mut self, title: String) {
        self.title = cut(title);
        tracing::debug!(title = self.title, app_id = self.app_id, "a window has a title");
    }

    /// Sets the application id.
    pub fn set_app_id(&mut self, app_id: String) {
        self.app_id = cut(app_id);
    }

    /// The least and the largest size that the next commit would set; 0 is no limit.
    pub fn limits(&self) -> (Size, Size) {
        (self.pending_min.unwrap_or(self.min), self.pending_max.unwrap_or(self.max))
    }

    /// Applies the limits that waited for a commit.
    pub fn take_limits(&mut self) {
        (self.min, self.max) = self.limits();
        (self.pending_min, self.pending_max) = (None, None);
    }

    /// `size` within the window's limits, and at least 1x1.
    pub fn limited(&self, size: Size) -> Size {
        let one = |v: i32, min: i32, max: i32| v.min(if max > 0 { max } else { i32::MAX }).max(min).max(1);
        Size::new(one(size.w, self.min.w, self.max.w), one(size.h, self.min.h, self.max.h))
    }

    /// Where its window geometry begins on an output of that size.
    pub fn corner(&self, size: impl FnOnce() -> Size, output: Size) -> Point {
        if self.now.fullscreen {
            return centred(Rect::of_size(output), size());
        }
        if self.now.maximized {
            return Point::default();
        }
        match self.place {
            Place::At(at) => at,
            Place::Cell { index, columns, rows } => centred(cell(index, columns, rows, output), size()),
        }
    }
}

fn cut(mut text: String) -> String {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
    text.truncate(end.unwrap_or(0));
    text
}

fn array<T>(values: impl IntoIterator<Item = T>) -> Vec<u8>
where
    u32: From<T>,
{
    values.into_iter().flat_map(|v| u32::from(v).to_ne_bytes()).collect()
}

impl Shell {
    /// The windows that `id` is a dialog of, itself first.
    pub(super) fn ancestors(&self, id: SurfaceId) -> impl Iterator<Item = SurfaceId> + '_ {
        std::iter::successors(Some(id), |w| self.window(*w)?.parent).take(2 * MAX_DEPTH)
    }
}

impl Server {
    /// Tells a window what it is to be.
    pub(super) fn configure_window(&mut self, id: SurfaceId) {
        let serial = self.next_id() as u32;
        let output = self.output.logical_size();
        let Some(entry) = self.shell.entries.get_mut(&id) else { return };
        let Part::Window(window) = &mut entry.part else { return };
        let toplevel = &window.resource;
        if toplevel.version() >= EVT_WM_CAPABILITIES_SINCE && !std::mem::replace(&mut window.capable, true) {
            toplevel.wm_capabilities(array([WmCapabilities::Maximize, WmCapabilities::Fullscreen]));
        }
        if toplevel.version() >= EVT_CONFIGURE_BOUNDS_SINCE && window.bounds.replace(output) != Some(output) {
            toplevel.configure_bounds(output.w, output.h);
        }
        let size = if window.wants.floats() { window.floating } else { output };
        let state = State { size, ..window.wants };
        window.wants = state;
        window.size_waits = false;
        let states = [
            (state.maximized, xdg_toplevel::State::Maximized),
            (state.fullscreen, xdg_toplevel::State::Fullscreen),
            (state.resizing, xdg_toplevel::State::Resizing),
            (state.activated, xdg_toplevel::State::Activated),
        ];
        let states = array(states.into_iter().filter(|(on, _)| *on).map(|(_, s)| s));
        toplevel.configure(size.w, size.h, states);
        entry.resource.configure(serial);
        let late = entry.configures.outstanding();
        entry.configures.push(serial, Asked::Window(state));
        if late {
            let base = entry.base.clone();
            self.ping(&base);
        }
    }

    /// Changes what a window is to be, because its client asked for it: there is always an answer.
    pub fn set_state(&mut self, id: SurfaceId, change: impl FnOnce(&mut State)) {
        let size = self.shell.geometry(&self.surfaces, id).size();
        let Some(entry) = self.shell.get_mut(id) else { return };
        let (mapped, started) = (entry.mapped, entry.configures.started());
        let Some(window) = self.shell.window_mut(id) else { return };
        if mapped && window.wants.floats() && window.now.floats() {
            window.floating = size;
        }
        change(&mut window.wants);
        if !window.wants.floats() {
            self.shell_cancel_grab_of(id);
        }
        if started {
            self.configure_window(id);
        }
    }

    /// `xdg_toplevel.set_parent`.
    pub fn set_parent(&mut self, id: SurfaceId, parent: Option<SurfaceId>) -> Outcome {
        if parent.is_some_and(|p| self.shell.ancestors(p).any(|a| a == id)) {
            let message = "a window cannot be above itself, or above what is above it";
            return Err(ProtocolError::new(xdg_toplevel::Error::InvalidParent, message));
        }
        let parent = parent.filter(|p| self.shell.is_mapped(*p));
        if parent.is_some_and(|p| self.shell.ancestors(p).count() >= MAX_DEPTH) {
            let message = format!("dialogs of dialogs more than {MAX_DEPTH} deep");
            return Err(ProtocolError::no_memory(message));
        }
        if let Some(window) = self.shell.window_mut(id) {
            window.parent = parent;
            if self.shell.is_mapped(id) {
                self.shell.keep_above(id);
                self.schedule_frame();
                self.seat_refresh();
            }
        }
        Ok(())
    }

    /// A window has its first content: finds a place for it.
    pub(super) fn map_window(&mut self, id: SurfaceId) {
        let Some(entry) = self.shell.get_mut(id) else { return };
        entry.mapped = true;
        self.place_window(id);
        self.shell.stack.push(id);
        self.shell_activate(Some(id));
        self.seat_focus(Some(id));
        self.seat_refresh();
    }

    /// Finds a place for a window that has none, as soon as it floats.
    fn place_window(&mut self, id: SurfaceId) {
        if self.shell.window(id).is_some_and(|w| !w.placed && w.now.floats()) {
            let place = self.free_place(id, self.shell.geometry(&self.surfaces, id).size());
            if let Some(window) = self.shell.window_mut(id) {
                (window.place, window.placed) = (place, true);
            }
        }
    }

    fn free_place(&self, id: SurfaceId, size: Size) -> Place {
        let output = self.output.logical_size();
        let shell = &self.shell;
        let rect = |w: SurfaceId| {
            let size = shell.geometry(&self.surfaces, w).size();
            Some(Rect::at(shell.corner(&self.surfaces, &self.output, w)?, size))
        };
        if let Some(parent) = shell.window(id).and_then(|w| w.parent).and_then(rect) {
            return Place::At(centred(parent, size));
        }
        match self.config.placement {
            Placement::Floating => {
                let others: Vec<Rect> =
                    shell.stack.iter().filter(|w| **w != id).filter_map(|w| rect(*w)).collect();
                Place::At(least_covering(size, output, &others))
            }
            Placement::Grid { columns, rows } => {
                let taken: Vec<usize> = shell
                    .stack
                    .iter()
                    .filter_map(|w| match shell.window(*w)?.place {
                        Place::Cell { index, .. } => Some(index),
                        Place::At(_) => None,
                    })
                    .collect();
                let cells = usize::try_from(u64::from(columns) * u64::from(rows)).unwrap_or(usize::MAX);
                Place::Cell { index: emptiest_cell(&taken, cells), columns, rows }
            }
        }
    }

    /// A mapped window was committed; `acked`: as an answer to a configure event.
    pub(super) fn window_committed(&mut self, id: SurfaceId, acked: bool) {
        let size = self.shell.geometry(&self.surfaces, id).size();
        let Some(entry) = self.shell.get_mut(id) else { return };
        let settled = !entry.configures.outstanding();
        let Part::Window(window) = &mut entry.part else { return };
        if let Some(anchor) = window.anchor {
            window.place = Place::At(anchor.corner(size));
            if settled && !window.now.resizing {
                window.anchor = None;
            }
        } else if settled && window.now.floats() && !window.floating.is_empty() {
            // It has chosen another size by itself; it shall not be told the old one again.
            window.floating = size;
        }
        if acked {
            self.place_window(id);
            self.reconstrain(id);
            self.seat_refresh();
        }
    }

    /// A window is off the screen: its dialogs go to its parent, its popups go, and the window below
    /// becomes the active one.
    pub(super) fn window_unmapped(
        &mut self,
        id: SurfaceId,
        parent: Option<SurfaceId>,
        popups: Vec<SurfaceId>,
    ) {
        self.shell.stack.retain(|w| *w != id);
        self.shell_cancel_grab_of(id);
        for other in self.shell.stack.clone() {
            if let Some(window) = self.shell.window_mut(other)
                && window.parent == Some(id)
            {
                window.parent = parent;
            }
        }
        self.dismiss(&popups);
        if self.shell.active == Some(id) {
            self.shell.active = None;
            let next = self.shell.stack.last().copied();
            self.shell_activate(next);
            self.seat_focus(next);
        }
    }

    /// The output has another size: tells everyone who has to know.
    pub fn shell_output_changed(&mut self) {
        let output = self.output.logical_size();
        let windows: Vec<SurfaceId> = self.shell.entries.keys().copied().collect();
        for id in windows {
            let Some(entry) = self.shell.get_mut(id) else { continue };
            let started = entry.configures.started();
            let Part::Window(window) = &mut entry.part else { continue };
            if let Place::At(at) = window.place {
                let most = |v: i32, end: i32| v.min(end.saturating_sub(REACHABLE).max(0));
                window.place = Place::At(Point::new(most(at.x, output.w), most(at.y, output.h)));
            }
            let bounded = window.bounds.is_some_and(|b| b != output);
            if started && (bounded || (!window.wants.floats() && window.wants.size != output)) {
                self.configure_window(id);
            }
            self.reconstrain(id);
        }
        self.schedule_frame();
        self.seat_refresh();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("short".into()), "short");
        let long = cut("ä".repeat(MAX_TEXT) + "x");
        assert_eq!(long, "ä".repeat(MAX_TEXT / 2));
        assert_eq!(cut("x".to_owned() + &"ä".repeat(MAX_TEXT)).len(), MAX_TEXT - 1);
    }
}
