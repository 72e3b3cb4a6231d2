//! xdg_wm_base: windows that are configured at their first commit.

use std::sync::Mutex;

use selkie_protocols::upstream::xdg::shell::server::{
    xdg_popup, xdg_positioner, xdg_surface, xdg_toplevel, xdg_wm_base,
};
use wayland_server::backend::ObjectId;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::{Handle, State, numbers};

/// A surface's role.
pub struct Window {
    xdg_surface: xdg_surface::XdgSurface,
    toplevel: xdg_toplevel::XdgToplevel,
    configured: bool,
}

impl Window {
    /// The first time it sends a configure.
    pub fn configure(&mut self) {
        if !std::mem::replace(&mut self.configured, true) {
            self.toplevel.configure(0, 0, Vec::new());
            self.xdg_surface.configure(1);
        }
    }

    /// Whether it has been configured since it was hidden.
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// It shows nothing any more, and has to be configured anew.
    pub fn hide(&mut self) {
        self.configured = false;
    }

    /// What to post errors on.
    pub fn xdg_surface(&self) -> &xdg_surface::XdgSurface {
        &self.xdg_surface
    }
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, xdg_wm_base::XdgWmBase, ()>(2, ());
}

impl GlobalDispatch<xdg_wm_base::XdgWmBase, ()> for State {
    fn bind(
        _: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<xdg_wm_base::XdgWmBase>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<xdg_wm_base::XdgWmBase, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &xdg_wm_base::XdgWmBase,
        request: xdg_wm_base::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            xdg_wm_base::Request::GetXdgSurface { id, surface } => drop(init.init(id, surface.id())),
            xdg_wm_base::Request::CreatePositioner { id } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

impl Dispatch<xdg_positioner::XdgPositioner, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        positioner: &xdg_positioner::XdgPositioner,
        request: xdg_positioner::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let bad = match request {
            xdg_positioner::Request::SetSize { width, height } => width < 1 || height < 1,
            xdg_positioner::Request::SetAnchorRect { x, y, width, height } => {
                if state.has("adds-in-32-bits") {
                    numbers::edges((x, y, width, height));
                }
                width < 0 || height < 0
            }
            _ => false,
        };
        if bad && !state.has("takes-any-window-numbers") {
            positioner.post_error(xdg_positioner::Error::InvalidInput, "no such size");
        }
    }
}

impl Dispatch<xdg_surface::XdgSurface, ObjectId> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        xdg_surface: &xdg_surface::XdgSurface,
        request: xdg_surface::Request,
        surface: &ObjectId,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            xdg_surface::Request::GetToplevel { id } => {
                let toplevel = init.init(id, Mutex::default());
                if let Some(known) = state.surfaces.get_mut(surface) {
                    let xdg_surface = xdg_surface.clone();
                    known.window = Some(Window { xdg_surface, toplevel, configured: false });
                }
            }
            xdg_surface::Request::GetPopup { id, .. } => drop(init.init(id, ())),
            xdg_surface::Request::SetWindowGeometry { x, y, width, height } => {
                if (width < 1 || height < 1) && !state.has("takes-any-window-numbers") {
                    return xdg_surface.post_error(xdg_surface::Error::InvalidSize, "no such size");
                }
                if state.has("adds-in-32-bits") {
                    numbers::edges((x, y, width, height));
                }
            }
            _ => {}
        }
    }
}

impl Dispatch<xdg_popup::XdgPopup, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &xdg_popup::XdgPopup,
        _: xdg_popup::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

/// The least and the largest size of a window.
type Limits = Mutex<((i32, i32), (i32, i32))>;

impl Dispatch<xdg_toplevel::XdgToplevel, Limits> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        toplevel: &xdg_toplevel::XdgToplevel,
        request: xdg_toplevel::Request,
        limits: &Limits,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let mut limits = limits.lock().unwrap();
        match request {
            xdg_toplevel::Request::SetMinSize { width, height } => limits.0 = (width, height),
            xdg_toplevel::Request::SetMaxSize { width, height } => limits.1 = (width, height),
            _ => return,
        }
        let bad = |least, most| least < 0 || most < 0 || (most > 0 && least > most);
        let bad = bad(limits.0.0, limits.1.0) || bad(limits.0.1, limits.1.1);
        if bad && !state.has("takes-any-window-numbers") {
            toplevel.post_error(xdg_toplevel::Error::InvalidSize, "no such size");
        }
    }
}
