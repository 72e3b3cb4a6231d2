//! A commit that is never shown is over, too.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.get-release-superseded",
    does: "Commits eight times without waiting, each time with a release callback.",
    must: "All but the last are called, once; the last when the buffer is replaced.",
    reference: "wayland.xml, wl_surface.get_release",
    matters: "A client that draws ahead waits for what was never shown.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(7, 7)?;
    let window = client.window_by(&compositor)?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    let mut releases = Vec::new();
    for _ in 0..8 {
        releases.push(window.surface.get_release(&client.qh(), ()));
        client.submit(&window.surface, &first.buffer);
    }
    client.present(&window.surface, &second.buffer)?;
    for release in &releases {
        client.wait_for(release, 1)?;
    }
    client.settle()?;
    for release in &releases {
        client.called(release, 1)?;
    }
    Ok("once for each".to_owned())
}
