//! Hidden, and shown again.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.shown-again-after-null",
    does: "Shows a buffer on a subsurface, attaches null to it, and shows the same buffer again.",
    must: "The buffer is shown.",
    reference: "wayland.xml, wl_surface.attach; wl_subsurface: \"A sub-surface becomes mapped, when a non-NULL wl_buffer is applied\"",
    matters: "What was let go of when the surface was hidden is needed once more.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.visible_window()?;
    // Else the subsurface makes the window larger, and some show what was there before until that is settled.
    window.xdg_surface.set_window_geometry(0, 0, SIDE, SIDE);
    let (child, subsurface) = client.subsurface(&window.surface)?;
    subsurface.set_desync();
    let painted = client.painted(FIRST)?;
    client.submit(&child, &painted.buffer);
    client.present(&window.surface, &buffer)?;
    child.attach(None, 0, 0);
    child.commit();
    client.present(&window.surface, &buffer)?;
    client.submit(&child, &painted.buffer);
    client.present(&window.surface, &buffer)?;
    client.must_see(|client| {
        client.submit(&child, &painted.buffer);
        client.present(&window.surface, &buffer)?;
        Ok(FIRST)
    })?;
    Ok("shown".to_owned())
}
