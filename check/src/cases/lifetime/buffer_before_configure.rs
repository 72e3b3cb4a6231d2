//! A window that has not been told its size shows nothing.

use selkie_protocols::upstream::xdg::shell::client::xdg_surface;
use selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::XdgWmBase;
use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.buffer-before-configure",
    does: "Attaches a buffer to a window and commits before it has been configured.",
    must: "The client is ended with xdg_surface.unconfigured_buffer.",
    reference: "xdg-shell.xml, xdg_surface.error.unconfigured_buffer",
    matters: "The buffer is there before the compositor has made anything that could show it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (compositor, wm): (WlCompositor, XdgWmBase) = (client.bind(6)?, client.bind(6)?);
    let surface = client.note(compositor.create_surface(&client.qh(), ()));
    let xdg_surface = client.note(wm.get_xdg_surface(&surface, &client.qh(), ()));
    client.note(xdg_surface.get_toplevel(&client.qh(), ()));
    let painted = client.painted(FIRST)?;
    client.submit(&surface, &painted.buffer);
    client.must_be_refused(&[Refusal::new(&["xdg_surface"], xdg_surface::Error::UnconfiguredBuffer)])
}
