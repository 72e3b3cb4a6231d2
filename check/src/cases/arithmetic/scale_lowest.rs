//! A division that overflows: the lowest number by -1, or the other way round.

use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.scale-lowest",
    does: "Sets the scale of a surface's buffer to -2147483648.",
    must: "The client is ended with wl_surface.invalid_scale.",
    reference: "wayland.xml, wl_surface.set_buffer_scale",
    matters: "It has no absolute value in 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, _) = client.shown_window()?;
    window.surface.set_buffer_scale(i32::MIN);
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::InvalidScale)])
}
