//! What this request was invented for: one buffer, two surfaces.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;
use selkie_protocols::wayland_client::protocol::wl_subcompositor::WlSubcompositor;

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.get-release-on-two-surfaces",
    does: "Shows a buffer on a window and on its subsurface, each with a release callback, and replaces it on both.",
    must: "Both callbacks are called, once.",
    reference: "wayland.xml, wl_surface.get_release; wl_surface.attach",
    matters: "With wl_buffer.release alone a client cannot tell.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(7, 7)?;
    let window = client.window_by(&compositor)?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    let sub: WlSubcompositor = client.bind(1)?;
    let child = compositor.create_surface(&client.qh(), ());
    let subsurface = sub.get_subsurface(&child, &window.surface, &client.qh(), ());
    subsurface.set_position(SIDE / 2, SIDE / 2);
    let releases = [&child, &window.surface].map(|surface| surface.get_release(&client.qh(), ()));
    client.submit(&child, &first.buffer);
    client.present(&window.surface, &first.buffer)?;
    client.submit(&child, &second.buffer);
    client.present(&window.surface, &second.buffer)?;
    for release in &releases {
        client.wait_for(release, 1)?;
        client.settle()?;
        client.called(release, 1)?;
    }
    Ok("once for each".to_owned())
}
