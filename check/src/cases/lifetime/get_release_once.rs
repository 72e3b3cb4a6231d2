//! A release for each commit.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.get-release-once",
    does: "Asks for the release of a commit, and shows another buffer.",
    must: "The callback is called, once; and once for a second use of the same buffer.",
    reference: "wayland.xml, wl_surface.get_release",
    matters: "It is how a client knows which of its uses is over.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(7, 7)?;
    let window = client.window_by(&compositor)?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    for _ in 0..2 {
        let release = window.surface.get_release(&client.qh(), ());
        client.present(&window.surface, &first.buffer)?;
        client.present(&window.surface, &second.buffer)?;
        client.wait_for(&release, 1)?;
        client.settle()?;
        client.called(&release, 1)?;
    }
    Ok("once for each".to_owned())
}
