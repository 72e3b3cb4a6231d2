//! A scale that does not divide the buffer's size.

use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.scale-does-not-divide",
    does: "Shows a buffer of 64 by 64 pixels with a scale of 3.",
    must: "The client is ended with wl_surface.invalid_size.",
    reference: "wayland.xml, wl_surface.attach: \"the supplied buffer size must be an integer multiple of the buffer_scale\"",
    matters: "The surface has no whole size then, and what is left over is rounded here and there differently.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    window.surface.set_buffer_scale(3);
    client.submit(&window.surface, &buffer);
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidSize)])
}
