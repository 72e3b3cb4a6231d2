//! The use is over when the surface is gone.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.get-release-of-destroyed-surface",
    does: "Commits a buffer with a release callback and destroys the window.",
    must: "The callback is called, once.",
    reference: "wayland.xml, wl_surface.get_release",
    matters: "A client that closes a window wants its memory back.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(7, 7)?;
    let window = client.window_by(&compositor)?;
    let painted = client.painted(FIRST)?;
    let release = window.surface.get_release(&client.qh(), ());
    client.present(&window.surface, &painted.buffer)?;
    window.toplevel.destroy();
    window.xdg_surface.destroy();
    window.surface.destroy();
    client.wait_for(&release, 1)?;
    client.settle()?;
    client.called(&release, 1)?;
    Ok("once".to_owned())
}
