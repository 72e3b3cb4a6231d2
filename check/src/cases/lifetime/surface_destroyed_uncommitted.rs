//! The surface is gone before what it was to show was committed.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.surface-destroyed-uncommitted",
    does: "Attaches a buffer to a surface, destroys the surface without a commit, and shows the buffer in a window.",
    must: "The compositor goes on; whether that buffer is released is not specified.",
    reference: "wayland.xml, wl_surface.attach",
    matters: "What hangs at a surface that is gone is easily forgotten, or freed twice.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind(6)?;
    let painted = client.painted(FIRST)?;
    let surface = compositor.create_surface(&client.qh(), ());
    surface.attach(Some(&painted.buffer), 0, 0);
    surface.destroy();
    client.settle()?;
    let window = client.window()?;
    client.present(&window.surface, &painted.buffer)?;
    Ok("shown".to_owned())
}
