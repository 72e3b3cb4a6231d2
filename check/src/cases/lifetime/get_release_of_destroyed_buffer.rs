//! The buffer is gone, the use is not over.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.get-release-of-destroyed-buffer",
    does: "Commits a buffer with a release callback, destroys the buffer, and shows another.",
    must: "The callback is called, once.",
    reference: "wayland.xml, wl_surface.get_release",
    matters: "Memory is what is waited for, not the object.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(7, 7)?;
    let window = client.window_by(&compositor)?;
    let (first, second) = (client.painted(FIRST)?, client.painted(SECOND)?);
    let release = window.surface.get_release(&client.qh(), ());
    client.present(&window.surface, &first.buffer)?;
    first.buffer.destroy();
    client.present(&window.surface, &second.buffer)?;
    client.wait_for(&release, 1)?;
    client.settle()?;
    client.called(&release, 1)?;
    Ok("once".to_owned())
}
