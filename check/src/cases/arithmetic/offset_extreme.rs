//! The request that came in the place of attach's position.

use selkie_protocols::wayland_client::protocol::wl_compositor::WlCompositor;

use crate::numbers::done_or_error;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.offset-extreme",
    does: "Moves a surface by the limits of 32 bits with wl_surface.offset, one commit after the other.",
    must: "The client may be ended with a protocol error; the compositor goes on.",
    reference: "wayland.xml, wl_surface.offset",
    matters: "The positions add up, commit after commit, and so leave 32 bits.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let compositor: WlCompositor = client.bind_from(5, 6)?;
    let window = client.window_by(&compositor)?;
    let memory = memory::sealed(BYTES as u64)?;
    let buffer = client.square_of(&memory)?;
    let mut shift = || {
        for (x, y) in [(i32::MAX, i32::MAX), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN), (i32::MIN, i32::MIN)]
        {
            window.surface.attach(Some(&buffer), 0, 0);
            window.surface.offset(x, y);
            window.surface.damage(0, 0, SIDE, SIDE);
            window.surface.commit();
            client.roundtrip()?;
        }
        Ok("went on".to_owned())
    };
    done_or_error(shift())
}
