//! A picture cannot be less than nothing.

use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.scale-negative",
    does: "Sets the scale of a surface's buffer to -1.",
    must: "The client is ended with wl_surface.invalid_scale.",
    reference: "wayland.xml, wl_surface.set_buffer_scale",
    matters: "The size of a surface becomes negative.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, _) = client.shown_window()?;
    window.surface.set_buffer_scale(-1);
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidScale)])
}
