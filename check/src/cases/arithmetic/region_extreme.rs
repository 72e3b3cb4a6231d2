//! Regions are made of rectangles, and rectangles of any numbers.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::numbers::RECTANGLES;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.region-extreme",
    does: "Makes an opaque and an input region of rectangles that begin and end at the limits of 32 bits, added and subtracted.",
    must: "The surface is shown.",
    reference: "wayland.xml, wl_region.add, wl_region.subtract",
    matters: "Toolkits say \"everything\" so, and edges computed from that leave 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind(6)?;
    let (window, buffer) = client.shown_window()?;
    let region = compositor.create_region(&client.qh(), ());
    for (x, y, width, height) in RECTANGLES {
        region.add(x, y, width, height);
        region.subtract(x, y, width, height);
        region.add(x, y, width, height);
    }
    window.surface.set_opaque_region(Some(&region));
    window.surface.set_input_region(Some(&region));
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}
