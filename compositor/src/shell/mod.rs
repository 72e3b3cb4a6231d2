//! Windows and popups: xdg_shell, and where things are on the screen.
//!
//! Positions are in surface-local units of the output. A window's or popup's place is that of the
//! top left corner of its window geometry; its surface begins further up and left by as much as the
//! geometry is inside of it.

mod configure;
mod grab;
mod ping;
mod placement;
mod popup;
mod positioner;
mod stack;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;

use selkie_protocols::upstream::xdg::shell::server::xdg_surface::{self, XdgSurface};
use selkie_protocols::upstream::xdg::shell::server::xdg_toplevel;
use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base::{self, XdgWmBase};
use wayland_server::backend::ObjectId;
use wayland_server::{DisplayHandle, Resource};

use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Point, Rect, clamp};
use crate::protocol;
use crate::protocol::output::OutputState;
use crate::server::Server;
use crate::surface::{Applied, Attach, SurfaceId, Surfaces};

use configure::{Asked, Configures};
pub(crate) use popup::Popup;
pub(crate) use positioner::{Positioner, Sides};
pub(crate) use window::Window;

/// Popups of popups, and dialogs of dialogs, are refused beyond this depth.
pub(crate) const MAX_DEPTH: usize = 64;

/// A surface tree to show, and where its root's top left corner is, in surface-local units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    pub surface: SurfaceId,
    pub origin: Point,
}

/// What an `xdg_surface` is so far.
pub(crate) enum Part {
    /// Neither.
    None,
    /// An `xdg_toplevel`.
    Window(Box<Window>),
    /// An `xdg_popup`.
    Popup(Box<Popup>),
}

/// An `xdg_surface`: what windows and popups have in common.
pub(crate) struct Entry {
    pub resource: XdgSurface,
    /// The `xdg_wm_base` that made it.
    pub base: XdgWmBase,
    pub part: Part,
    /// Whether it has, or had, a role object.
    pub was_constructed: bool,
    /// `set_window_geometry` that waits for a commit.
    pub pending_geometry: Option<Rect>,
    /// What the client set, and what of that is really there.
    geometry: Option<Rect>,
    pub configures: Configures,
    pub mapped: bool,
}

impl Entry {
    /// One that is nothing yet.
    pub fn new(resource: XdgSurface, base: XdgWmBase) -> Self {
        Self {
            resource,
            base,
            part: Part::None,
            was_constructed: false,
            pending_geometry: None,
            geometry: None,
            configures: Configures::default(),
            mapped: false,
        }
    }

    /// Whether its role object exists.
    pub fn is_alive(&self) -> bool {
        !matches!(self.part, Part::None)
    }

    fn error(&self, code: xdg_surface::Error, message: impl Into<String>) -> ProtocolError {
        ProtocolError::new(code, message).on(&self.resource)
    }

    fn base_error(&self, code: xdg_wm_base::Error, message: impl Into<String>) -> ProtocolError {
        ProtocolError::new(code, message).on(&self.base)
    }
}

/// What waits for the next commit of a window or popup.
#[derive(Default)]
pub(crate) struct ShellWish {
    geometry: Option<Rect>,
    acked: Option<configure::Asked>,
}

/// All windows and popups.
pub(crate) struct Shell {
    entries: HashMap<SurfaceId, Entry>,
    /// The mapped windows, bottom first.
    stack: Vec<SurfaceId>,
    /// The window that was told that it is the active one.
    active: Option<SurfaceId>,
    /// The window that the user is moving or resizing.
    grab: Option<grab::Grab>,
    /// The mapped popups that have a grab, the topmost last.
    popup_grabs: Vec<SurfaceId>,
    pings: HashMap<ObjectId, ping::Ping>,
}

impl Shell {
    /// No windows; advertises `xdg_wm_base`.
    pub fn new(display: &DisplayHandle) -> Self {
        protocol::xdg_wm_base::advertise(display);
        Self {
            entries: HashMap::new(),
            stack: Vec::new(),
            active: None,
            grab: None,
            popup_grabs: Vec::new(),
            pings: HashMap::new(),
        }
    }

    /// How much it keeps of clients: windows and popups, what refers to them, pings.
    #[cfg(feature = "fuzzing")]
    pub fn holdings(&self) -> usize {
        let lists = [self.entries.len(), self.stack.len(), self.popup_grabs.len(), self.pings.len()];
        let single = usize::from(self.active.is_some()) + usize::from(self.grab.is_some());
        lists.iter().sum::<usize>() + single
    }

    /// Adds an `xdg_surface`.
    pub fn insert(&mut self, id: SurfaceId, entry: Entry) {
        self.entries.insert(id, entry);
    }

    /// Gives an `xdg_surface` its role object.
    pub fn construct(&mut self, id: SurfaceId, part: Part) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.part = part;
            entry.was_constructed = true;
        }
    }

    /// Whether a surface has an `xdg_surface`.
    pub fn has(&self, id: SurfaceId) -> bool {
        self.entries.contains_key(&id)
    }

    /// The `xdg_surface` of a surface.
    pub fn get(&self, id: SurfaceId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The `xdg_surface` of a surface.
    pub fn get_mut(&mut self, id: SurfaceId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// The window that a surface is.
    pub fn window(&self, id: SurfaceId) -> Option<&Window> {
        match &self.entries.get(&id)?.part {
            Part::Window(window) => Some(window),
            _ => None,
        }
    }

    /// The window that a surface is.
    pub fn window_mut(&mut self, id: SurfaceId) -> Option<&mut Window> {
        match &mut self.entries.get_mut(&id)?.part {
            Part::Window(window) => Some(window),
            _ => None,
        }
    }

    /// The popup that a surface is.
    pub fn popup(&self, id: SurfaceId) -> Option<&Popup> {
        match &self.entries.get(&id)?.part {
            Part::Popup(popup) => Some(popup),
            _ => None,
        }
    }

    fn popup_mut(&mut self, id: SurfaceId) -> Option<&mut Popup> {
        match &mut self.entries.get_mut(&id)?.part {
            Part::Popup(popup) => Some(popup),
            _ => None,
        }
    }

    fn is_mapped(&self, id: SurfaceId) -> bool {
        self.get(id).is_some_and(|e| e.mapped)
    }

    /// Whether `base` made an `xdg_surface` that still exists.
    pub fn is_base_of_any(&self, base: &XdgWmBase) -> bool {
        self.entries.values().any(|e| e.base == *base)
    }

    /// The window geometry, in the surface's own units: what the client said of it, or everything.
    pub fn geometry(&self, surfaces: &Surfaces, id: SurfaceId) -> Rect {
        self.get(id).and_then(|e| e.geometry).unwrap_or_else(|| bounds(surfaces, id))
    }

    /// The surface `id` and those under it in the protocol's sense: what a window is a popup's.
    fn lineage(&self, id: SurfaceId) -> impl Iterator<Item = SurfaceId> + '_ {
        std::iter::successors(Some(id), |s| self.popup(*s)?.parent).take(MAX_DEPTH + 2)
    }

    /// Where the window geometry of a window or popup begins on the output; `None` for a popup whose
    /// window is gone.
    pub fn corner(&self, surfaces: &Surfaces, output: &OutputState, id: SurfaceId) -> Option<Point> {
        let mut at = Point::default();
        for id in self.lineage(id) {
            match &self.get(id)?.part {
                Part::Window(window) => {
                    let corner = window.corner(|| self.geometry(surfaces, id).size(), output.logical_size());
                    return Some(at.offset(corner));
                }
                Part::Popup(popup) => at = at.offset(popup.now.origin()),
                Part::None => return None,
            }
        }
        None
    }

    fn root(&self, surfaces: &Surfaces, output: &OutputState, id: SurfaceId) -> Option<Root> {
        let origin = self.corner(surfaces, output, id)?.relative_to(self.geometry(surfaces, id).origin());
        Some(Root { surface: id, origin })
    }

    /// Whether nothing below the window may be seen, anywhere on the output.
    pub fn is_fullscreen(&self, id: SurfaceId) -> bool {
        self.window(id).is_some_and(|w| w.now.fullscreen)
    }

    /// What is to be shown, bottom first: windows, each followed by its popups.
    pub fn roots<'a>(
        &'a self,
        surfaces: &'a Surfaces,
        output: &'a OutputState,
    ) -> impl DoubleEndedIterator<Item = Root> + 'a {
        self.stack
            .iter()
            .filter_map(|id| Some((*id, self.window(*id)?)))
            .flat_map(|(id, window)| std::iter::once(id).chain(window.popups.iter().copied()))
            .filter_map(move |id| self.root(surfaces, output, id))
    }
}

/// The smallest rectangle around a surface and its subsurfaces.
fn bounds(surfaces: &Surfaces, id: SurfaceId) -> Rect {
    let mut all: Option<(i64, i64, i64, i64)> = None;
    surfaces.walk(id, Point::default(), &mut |_, surface, at| {
        let r = Rect::at(at, surface.current.size);
        let (x, y, right, bottom) = all.unwrap_or((i64::MAX, i64::MAX, i64::MIN, i64::MIN));
        all = Some((
            x.min(r.x.into()),
            y.min(r.y.into()),
            right.max(r.right().into()),
            bottom.max(r.bottom().into()),
        ));
    });
    all.map_or_else(Rect::default, |(x, y, right, bottom)| {
        Rect::new(clamp(x), clamp(y), clamp(right - x), clamp(bottom - y))
    })
}

impl Server {
    /// Before a commit of a surface that may have an `xdg_surface`: may it?
    pub fn shell_check(&mut self, id: SurfaceId) -> Outcome {
        let Some(entry) = self.shell.get(id) else { return Ok(()) };
        if !entry.was_constructed {
            let message = "committed before get_toplevel or get_popup";
            return Err(entry.error(xdg_surface::Error::NotConstructed, message));
        }
        let Some(surface) = self.surfaces.get(id) else { return Ok(()) };
        let attaches = matches!(surface.pending.attach, Some(Attach::Buffer(_)));
        if matches!(&entry.part, Part::Popup(popup) if popup.dismissed) {
            // The client may not know yet.
            return Ok(());
        }
        if entry.is_alive() && attaches && !entry.configures.configured() {
            let message = "a buffer was attached before the first configure event was acked";
            return Err(entry.error(xdg_surface::Error::UnconfiguredBuffer, message));
        }
        match &entry.part {
            Part::Window(window) => {
                let (min, max) = window.limits();
                if (max.w > 0 && max.w < min.w) || (max.h > 0 && max.h < min.h) {
                    let message = format!("a max size of {max:?}, less than the min size of {min:?}");
                    let error = ProtocolError::new(xdg_toplevel::Error::InvalidSize, message);
                    return Err(error.on(&window.resource));
                }
                Ok(())
            }
            Part::Popup(_) => self.popup_check(id, attaches && !entry.mapped),
            Part::None => Ok(()),
        }
    }

    /// Puts another wish in the place of what waits for the next commit of `id`, which is returned.
    pub fn swap_wish(&mut self, id: SurfaceId, wish: ShellWish) -> Option<ShellWish> {
        let entry = self.shell.entries.get_mut(&id)?;
        Some(ShellWish {
            geometry: std::mem::replace(&mut entry.pending_geometry, wish.geometry),
            acked: entry.configures.swap_acked(wish.acked),
        })
    }

    /// Puts back what [`Server::swap_wish`] returned, unless nothing was asked for: then what is there stays.
    pub fn restore_wish(&mut self, id: SurfaceId, wish: ShellWish) {
        if let Some(left) = self.swap_wish(id, ShellWish::default()) {
            let (geometry, acked) = (wish.geometry.or(left.geometry), wish.acked.or(left.acked));
            self.swap_wish(id, ShellWish { geometry, acked });
        }
    }

    /// After a commit of a surface with a shell role was applied.
    pub fn shell_committed(&mut self, id: SurfaceId, _applied: Applied) {
        let all = bounds(&self.surfaces, id);
        let has_content = self.surfaces.get(id).is_some_and(|s| s.current.has_content());
        let Some(entry) = self.shell.entries.get_mut(&id) else { return };
        if !entry.is_alive() {
            return;
        }
        if has_content && let Some(set) = entry.pending_geometry.take() {
            let clamped = set.intersect(all);
            // One that has nothing in common with the surface says nothing.
            entry.geometry = Some(if clamped.is_empty() { all } else { clamped });
        }
        let acked = entry.configures.take_acked();
        let (mapped, configures) = (entry.mapped, &entry.configures);
        let (started, configured) = (configures.started(), configures.configured());
        match &mut entry.part {
            Part::Window(window) => {
                window.take_limits();
                if let Some(Asked::Window(state)) = acked {
                    window.now = state;
                }
            }
            Part::Popup(popup) => {
                if let Some(Asked::Popup(rect)) = acked {
                    popup.now = rect;
                }
            }
            Part::None => return,
        }
        let is_window = matches!(entry.part, Part::Window(_));
        match (mapped, has_content) {
            (true, false) => self.shell_unmap(id),
            (true, true) if is_window => self.window_committed(id, acked.is_some()),
            (true, true) if acked.is_some() => self.seat_refresh(),
            (true, true) => {}
            (false, _) if !started && is_window => self.configure_window(id),
            (false, _) if !started => self.popup_first_configure(id),
            (false, true) if configured && is_window => self.map_window(id),
            (false, true) if configured => self.map_popup(id),
            (false, _) => {}
        }
    }

    /// Takes a window or popup off the screen; it is as it was before its first commit.
    fn shell_unmap(&mut self, id: SurfaceId) {
        let Some(entry) = self.shell.entries.get_mut(&id) else { return };
        entry.configures.restart();
        (entry.geometry, entry.pending_geometry) = (None, None);
        let mapped = std::mem::take(&mut entry.mapped);
        match &mut entry.part {
            Part::Window(window) => {
                let popups = std::mem::take(&mut window.popups);
                let parent = window.parent;
                **window = Window::new(window.resource.clone());
                if mapped {
                    self.window_unmapped(id, parent, popups);
                }
            }
            Part::Popup(_) if mapped => self.popup_unmapped(id),
            Part::Popup(_) | Part::None => {}
        }
        if mapped {
            self.schedule_frame();
            self.seat_refresh();
        }
    }

    /// Whether the object that gave the surface its role still exists.
    pub fn role_object_alive(&self, id: SurfaceId) -> bool {
        self.shell.get(id).is_some_and(Entry::is_alive)
    }

    /// The client has acked a configure event.
    pub fn acked(&mut self, id: SurfaceId) {
        if self.shell.window_mut(id).is_some_and(|w| std::mem::take(&mut w.size_waits)) {
            self.configure_window(id);
        }
    }

    /// A surface is being destroyed.
    pub fn shell_surface_gone(&mut self, id: SurfaceId) {
        self.xdg_surface_gone(id);
    }

    /// An `xdg_surface` is being destroyed.
    pub fn xdg_surface_gone(&mut self, id: SurfaceId) {
        self.shell_unmap(id);
        self.shell.entries.remove(&id);
    }

    /// A role object is being destroyed.
    pub fn role_object_gone(&mut self, id: SurfaceId, object: &ObjectId) {
        let is_ours = |entry: &Entry| match &entry.part {
            Part::Window(window) => window.resource.id() == *object,
            Part::Popup(popup) => popup.resource.id() == *object,
            Part::None => false,
        };
        if self.shell.get(id).is_some_and(is_ours) {
            self.shell_unmap(id);
            if let Some(entry) = self.shell.get_mut(id) {
                entry.part = Part::None;
            }
        }
    }
}
