//! A menu that is placed by numbers that do not add up.

use selkie_protocols::upstream::xdg::shell::client::xdg_positioner::{Anchor, ConstraintAdjustment, Gravity};
use selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::XdgWmBase;
use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::client::Client;
use crate::numbers::{RECTANGLES, done_or_error};
use crate::window::Window;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.positioner-extreme",
    does: "Opens popups whose anchors, sizes and offsets are at the limits of 32 bits.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "xdg-shell.xml, xdg_positioner",
    matters: "Placing a popup adds five such numbers, and then tries to slide, flip and shrink it.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for (x, y, width, height) in RECTANGLES {
        let mut client = session.connect()?;
        let (window, _) = client.shown_window()?;
        done_or_error(popup(&mut client, &window, (x, y, width, height)))?;
    }
    Ok("went on".to_owned())
}

fn popup(client: &mut Client, parent: &Window, (x, y, width, height): (i32, i32, i32, i32)) -> Outcome {
    let (compositor, wm): (WlCompositor, XdgWmBase) = (client.bind(6)?, client.bind(6)?);
    let qh = client.qh();
    let positioner = client.note(wm.create_positioner(&qh, ()));
    positioner.set_size(width, height);
    positioner.set_anchor_rect(x, y, width, height);
    positioner.set_anchor(Anchor::BottomRight);
    positioner.set_gravity(Gravity::BottomRight);
    positioner.set_offset(x, y);
    positioner.set_constraint_adjustment(ConstraintAdjustment::all());
    let surface = client.note(compositor.create_surface(&qh, ()));
    let xdg_surface = client.note(wm.get_xdg_surface(&surface, &qh, ()));
    let popup = xdg_surface.get_popup(Some(&parent.xdg_surface), &positioner, &qh, ());
    client.note(popup);
    surface.commit();
    client.roundtrip()?;
    client.roundtrip()?;
    Ok(String::new())
}
