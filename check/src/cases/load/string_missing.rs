//! On the wire a string of no bytes is one that is missing, which few requests allow. Bindings that promise a string to
//! whoever serves the request have to look.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.string-missing",
    does: "Leaves out a string that must be there: the interface in wl_registry.bind, then the title in xdg_toplevel.set_title.",
    must: "Each time the client is ended; an ordinary client gets each frame within 1 s.",
    reference: "wayland.xml, wl_display.error.invalid_method; both strings are not allow-null",
    matters: "A decoder that hands on nothing where the protocol promises a string lets one message end the compositor.",
    danger: Some("compositors with the Rust half of wayland-backend 0.3.17 end"),
    limit: Duration::from_secs(30),
    run,
};

/// A length of 0, without even a final zero.
const MISSING: Arg<'_> = Arg::Uint(0);

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        ends(Wire::connect(session)?, "wl_registry.bind", |wire| {
            // Of which global it would be does not matter any more.
            let id = wire.new_id("wl_shm");
            wire.send(2, 0, &[Arg::Uint(1), MISSING, Arg::Uint(1), Arg::Uint(id)])
        })?;
        ends(Wire::connect(session)?, "xdg_toplevel.set_title", |wire| {
            let (compositor, wm) = (wire.bind("wl_compositor")?, wire.bind("xdg_wm_base")?);
            let surface = wire.create("wl_surface", compositor, 0, &[])?;
            let xdg_surface = wire.create("xdg_surface", wm, 2, &[Arg::Uint(surface)])?;
            let toplevel = wire.create("xdg_toplevel", xdg_surface, 1, &[])?;
            wire.send(toplevel, 2, &[MISSING])
        })
    })
}

/// That a request ends its client.
fn ends(mut wire: Wire, request: &str, send: impl FnOnce(&mut Wire) -> Result<(), Stop>) -> Result<(), Stop> {
    match send(&mut wire).and_then(|()| wire.roundtrip()) {
        Err(Stop::Ended(_)) => Ok(()),
        Err(other) => Err(other),
        Ok(()) => Err(Stop::fail("wl_display.invalid_method", format_args!("no error for {request}"))),
    }
}
