//! A popup: a menu or a tooltip, placed beside its parent, perhaps with a grab.
//!
//! Popups that grab are a stack: each is a child of the one below, and the user's press elsewhere
//! dismisses all of them, topmost first.

use selkie_protocols::upstream::xdg::shell::server::xdg_popup::{self, XdgPopup};
use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base;

use super::configure::Asked;
use super::{Part, Positioner, Shell};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Point, Rect};
use crate::server::Server;
use crate::surface::SurfaceId;

/// A popup.
pub(crate) struct Popup {
    pub resource: XdgPopup,
    /// The surface of its parent, which may be gone.
    pub parent: Option<SurfaceId>,
    positioner: Positioner,
    /// Where it was last told to be, relative to its parent's window geometry.
    wants: Rect,
    /// Where the client has agreed to be.
    pub now: Rect,
    /// Whether it asked for a grab.
    pub(super) grabs: bool,
    /// Whether it was told that it is over.
    pub(super) dismissed: bool,
}

impl Popup {
    /// A popup that was not placed yet.
    pub fn new(resource: XdgPopup, parent: Option<SurfaceId>, positioner: Positioner) -> Self {
        let (wants, now) = (Rect::default(), Rect::default());
        Self { resource, parent, positioner, wants, now, grabs: false, dismissed: false }
    }
}

impl Shell {
    /// How many popups are between a surface and its window, itself included.
    pub fn popup_depth(&self, id: SurfaceId) -> usize {
        self.lineage(id).filter(|s| self.popup(*s).is_some()).count()
    }

    /// Whether a surface is the parent of a popup that was not dismissed.
    pub fn has_popups(&self, id: SurfaceId) -> bool {
        self.entries.values().any(|e| match &e.part {
            Part::Popup(popup) => popup.parent == Some(id) && !popup.dismissed,
            _ => false,
        })
    }

    /// Whether a popup may be mapped as a child of `parent` and get the grab.
    fn may_grab(&self, parent: SurfaceId) -> bool {
        match self.popup_grabs.last() {
            Some(top) => *top == parent,
            None => true,
        }
    }
}

impl Server {
    /// Before a commit of a popup; `maps`: it would map it.
    pub(super) fn popup_check(&self, id: SurfaceId, maps: bool) -> Outcome {
        let Some(entry) = self.shell.get(id) else { return Ok(()) };
        let Part::Popup(popup) = &entry.part else { return Ok(()) };
        let Some(parent) = popup.parent else {
            let message = "a popup needs a parent before its first commit";
            return Err(entry.base_error(xdg_wm_base::Error::InvalidPopupParent, message));
        };
        let same_client = |other: SurfaceId| {
            let client = |s| self.surfaces.get(s).map(|s| s.client.key);
            client(other) == client(id)
        };
        let others = self.shell.popup_grabs.last().is_some_and(|top| !same_client(*top));
        if maps && popup.grabs && !others && !self.shell.may_grab(parent) {
            let message = "mapped with a grab, but not as a child of the topmost popup that has one";
            return Err(entry.base_error(xdg_wm_base::Error::NotTheTopmostPopup, message));
        }
        Ok(())
    }

    /// Where a popup goes now.
    fn popup_rect(&self, id: SurfaceId) -> Option<Rect> {
        let popup = self.shell.popup(id)?;
        let corner = self.shell.corner(&self.surfaces, &self.output, popup.parent?)?;
        let bounds = Rect::at(Point::default().relative_to(corner), self.output.logical_size());
        Some(popup.positioner.place(bounds))
    }

    /// The first commit of a popup: tells it where it is, or that it cannot be.
    pub(super) fn popup_first_configure(&mut self, id: SurfaceId) {
        let parent = self.shell.popup(id).and_then(|p| p.parent);
        match self.popup_rect(id) {
            Some(rect) if parent.is_some_and(|p| self.shell.is_mapped(p)) => {
                self.configure_popup(id, rect, None)
            }
            _ => self.dismiss(&[id]),
        }
    }

    fn configure_popup(&mut self, id: SurfaceId, rect: Rect, token: Option<u32>) {
        let serial = self.next_id() as u32;
        let Some(entry) = self.shell.entries.get_mut(&id) else { return };
        let Part::Popup(popup) = &mut entry.part else { return };
        if popup.dismissed {
            return;
        }
        popup.wants = rect;
        if let Some(token) = token {
            popup.resource.repositioned(token);
        }
        popup.resource.configure(rect.x, rect.y, rect.w, rect.h);
        entry.resource.configure(serial);
        entry.configures.push(serial, Asked::Popup(rect));
    }

    /// `xdg_popup.reposition`.
    pub fn popup_reposition(&mut self, id: SurfaceId, positioner: Positioner, token: u32) {
        let Some(popup) = self.shell.popup_mut(id) else { return };
        popup.positioner = positioner;
        let started = self.shell.get(id).is_some_and(|e| e.configures.started());
        if started && let Some(rect) = self.popup_rect(id) {
            self.configure_popup(id, rect, Some(token));
        }
    }

    /// A window has moved, or the output changed: its reactive popups are placed again.
    pub(super) fn reconstrain(&mut self, window: SurfaceId) {
        let Some(popups) = self.shell.window(window).map(|w| w.popups.clone()) else { return };
        for id in popups {
            let Some(popup) = self.shell.popup(id).filter(|p| p.positioner.reactive) else { continue };
            let wants = popup.wants;
            if let Some(rect) = self.popup_rect(id).filter(|r| *r != wants) {
                self.configure_popup(id, rect, None);
            }
        }
    }

    /// `xdg_popup.grab`.
    pub fn popup_grab(&mut self, id: SurfaceId, serial: u32) -> Outcome {
        let Some(entry) = self.shell.get(id) else { return Ok(()) };
        let Part::Popup(popup) = &entry.part else { return Ok(()) };
        let invalid = |message: &str| Err(ProtocolError::new(xdg_popup::Error::InvalidGrab, message));
        if entry.mapped {
            return invalid("a grab after the popup was mapped");
        }
        let parent = popup.parent.and_then(|p| self.shell.popup(p));
        if parent.is_some_and(|p| !p.grabs) {
            return invalid("a grab of a popup whose parent is a popup without one");
        }
        let over = parent.is_some_and(|p| p.dismissed);
        let on = popup.parent.unwrap_or(id);
        if over || !self.seat_valid_grab_serial(on, serial) {
            self.dismiss(&[id]);
        } else if let Some(popup) = self.shell.popup_mut(id) {
            popup.grabs = true;
        }
        Ok(())
    }

    /// A popup has its first content.
    pub(super) fn map_popup(&mut self, id: SurfaceId) {
        let Some(popup) = self.shell.popup(id) else { return };
        let (grabs, parent) = (popup.grabs, popup.parent);
        let window = self.shell.window_of(&self.surfaces, id);
        let parent_shows = parent.is_some_and(|p| self.shell.is_mapped(p));
        let Some(window) = window.filter(|_| parent_shows) else {
            self.dismiss(&[id]);
            return;
        };
        if grabs && parent.is_some_and(|p| !self.shell.may_grab(p)) {
            // Another client's, or it would have been an error.
            self.dismiss_grabs();
        }
        if let Some(entry) = self.shell.get_mut(id) {
            entry.mapped = true;
        }
        if let Some(window) = self.shell.window_mut(window) {
            window.popups.push(id);
        }
        if grabs {
            self.shell.popup_grabs.push(id);
            self.seat_popup_grab(Some(id));
        }
        self.seat_refresh();
    }

    /// A popup is off the screen, and what hangs on it has to go.
    pub(super) fn popup_unmapped(&mut self, id: SurfaceId) {
        self.dismiss_children(id);
        let window = self.shell.lineage(id).find(|s| self.shell.window(*s).is_some());
        if let Some(window) = window.and_then(|w| self.shell.window_mut(w)) {
            window.popups.retain(|p| *p != id);
        }
        let grabbing = self.shell.popup_grabs.len();
        self.shell.popup_grabs.retain(|p| *p != id);
        if self.shell.popup_grabs.len() != grabbing {
            let top = self.shell.popup_grabs.last().copied();
            self.seat_popup_grab(top);
        }
    }

    /// Tells popups that they are over and takes them off the screen: the last first, and each after
    /// those that hang on it.
    pub(super) fn dismiss(&mut self, popups: &[SurfaceId]) {
        for id in popups.iter().rev() {
            self.dismiss_children(*id);
            self.dismiss_one(*id);
        }
    }

    fn dismiss_children(&mut self, id: SurfaceId) {
        let window = self.shell.lineage(id).find_map(|s| self.shell.window(s));
        let Some(popups) = window.map(|w| &w.popups) else { return };
        let hangs = |p: &SurfaceId| *p != id && self.shell.lineage(*p).any(|s| s == id);
        let children: Vec<SurfaceId> = popups.iter().copied().filter(hangs).collect();
        for child in children.into_iter().rev() {
            self.dismiss_one(child);
        }
    }

    fn dismiss_one(&mut self, id: SurfaceId) {
        let Some(popup) = self.shell.popup_mut(id) else { return };
        if !std::mem::replace(&mut popup.dismissed, true) {
            popup.resource.popup_done();
        }
        self.shell_unmap(id);
    }

    /// Dismisses all popups that have a grab.
    pub(super) fn dismiss_grabs(&mut self) {
        let popups = self.shell.popup_grabs.clone();
        self.dismiss(&popups);
    }

    /// The user has pressed a button over `surface`: outside of the client that has the popups with
    /// a grab, that dismisses them. Inside, the client gets the press and decides.
    pub fn shell_button_pressed_on(&mut self, surface: Option<SurfaceId>) {
        let client = |s: SurfaceId| self.surfaces.get(s).map(|s| s.client.key);
        if let Some(top) = self.shell.popup_grabs.last()
            && surface.and_then(client) != client(*top)
        {
            self.dismiss_grabs();
        }
    }
}
