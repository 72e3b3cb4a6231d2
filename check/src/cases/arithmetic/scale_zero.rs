//! A picture is divided by its scale.

use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.scale-zero",
    does: "Sets the scale of a surface's buffer to 0.",
    must: "The client is ended with wl_surface.invalid_scale.",
    reference: "wayland.xml, wl_surface.set_buffer_scale",
    matters: "The size of a surface is its buffer's, divided by this.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, _) = client.shown_window()?;
    window.surface.set_buffer_scale(0);
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidScale)])
}
