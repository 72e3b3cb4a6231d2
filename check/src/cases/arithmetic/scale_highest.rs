//! A scale that makes any buffer smaller than a point.

use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.scale-highest",
    does: "Shows a buffer with a scale of 2147483647.",
    must: "The client is ended with wl_surface.invalid_size.",
    reference: "wayland.xml, wl_surface.attach: \"the supplied buffer size must be an integer multiple of the buffer_scale\"",
    matters: "The surface is 0 by 0 then, and sizes are divided by.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    window.surface.set_buffer_scale(i32::MAX);
    client.submit(&window.surface, &buffer);
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidSize)])
}
