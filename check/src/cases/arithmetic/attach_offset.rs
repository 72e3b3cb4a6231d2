//! Since version 5 an attached buffer has no position of its own.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;
use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.attach-offset",
    does: "Attaches a buffer at 1, 1 to a surface of version 5 or above.",
    must: "The client is ended with wl_surface.invalid_offset.",
    reference: "wayland.xml, wl_surface.attach: \"passing any non-zero x or y is a protocol violation\"",
    matters: "Two requests for one thing need an order, and nobody has defined one.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(5, 6)?;
    let window = client.window_by(&compositor)?;
    let memory = memory::sealed(BYTES as u64)?;
    let buffer = client.square_of(&memory)?;
    window.surface.attach(Some(&buffer), 1, 1);
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidOffset)])
}
