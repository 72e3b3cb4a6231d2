//! Before version 5 a buffer could be attached anywhere.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::numbers::done_or_error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.attach-extreme",
    does: "Attaches a buffer to a surface of version 4 or below at the limits of 32 bits, one after the other.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_surface.attach",
    matters: "The positions add up, commit after commit, and so leave 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind(4)?;
    let window = client.window_by(&compositor)?;
    let memory = memory::sealed(BYTES as u64)?;
    let buffer = client.square_of(&memory)?;
    let mut attach = || {
        for (x, y) in [(i32::MAX, i32::MAX), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN), (i32::MIN, i32::MIN)]
        {
            window.surface.attach(Some(&buffer), x, y);
            window.surface.damage(0, 0, SIDE, SIDE);
            window.surface.commit();
            client.roundtrip()?;
        }
        Ok("went on".to_owned())
    };
    done_or_error(attach())
}
