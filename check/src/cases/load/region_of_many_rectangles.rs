//! A region of rectangles that do not touch cannot be made simpler, and each addition may cost as much as all before.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.region-of-many-rectangles",
    does: "Adds 20000 rectangles, in the pattern of a chessboard, to one region, and makes it the input region of a surface.",
    must: SERVED,
    reference: "wayland.xml, wl_region.add; wayland.xml, wl_display.error.no_memory",
    matters: "Where adding to a region copies it, the time grows with the square of what one client sends.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|wire| {
        let compositor = wire.bind("wl_compositor")?;
        let surface = wire.create("wl_surface", compositor, 0, &[])?;
        let region = wire.create("wl_region", compositor, 1, &[])?;
        for n in 0..20_000 {
            let (column, row) = (n % 141, n / 141);
            let rectangle = [Arg::Int(column * 2), Arg::Int(row * 2), Arg::Int(1), Arg::Int(1)];
            wire.send(region, 1, &rectangle)?;
        }
        wire.send(surface, 5, &[Arg::Uint(region)])?;
        wire.send(surface, 6, &[])
    })
}
