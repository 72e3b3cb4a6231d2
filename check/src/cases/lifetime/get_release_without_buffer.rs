//! A release of nothing.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;
use selkie_protocols::wayland_client::protocol::wl_surface;

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.get-release-without-buffer",
    does: "Asks for a release and commits without a buffer.",
    must: "The client is ended with wl_surface.no_buffer.",
    reference: "wayland.xml, wl_surface.get_release: \"The compositor will send the no_buffer error in this case\"",
    matters: "It would wait for something that does not happen.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(7, 7)?;
    let window = client.window_by(&compositor)?;
    let painted = client.painted(FIRST)?;
    client.present(&window.surface, &painted.buffer)?;
    window.surface.get_release(&client.qh(), ());
    window.surface.commit();
    client.must_be_refused(&[Refusal::new(&["wl_surface"], wl_surface::Error::NoBuffer)])
}
