//! Rectangles that end before they begin.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::numbers::done_or_error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.region-negative",
    does: "Makes regions of rectangles of negative width and height.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_region.add",
    matters: "A region library that trusts its callers loops or corrupts its lists.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind(6)?;
    let (window, buffer) = client.shown_window()?;
    let region = compositor.create_region(&client.qh(), ());
    for (x, y, width, height) in [(8, 8, -4, -4), (0, 0, i32::MIN, i32::MIN), (i32::MIN, i32::MIN, -1, -1)] {
        region.add(x, y, width, height);
        region.subtract(x, y, width, height);
    }
    window.surface.set_opaque_region(Some(&region));
    window.surface.set_input_region(Some(&region));
    done_or_error(client.present(&window.surface, &buffer).map(|()| "shown".to_owned()))
}
