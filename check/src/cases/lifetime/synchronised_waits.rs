//! A synchronised subsurface shows nothing before its parent's commit.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.synchronised-waits",
    does: "Commits a buffer to a synchronised subsurface, looks at the output, commits the parent, and looks again.",
    must: "The buffer is shown after the parent's commit, and not before.",
    reference: "wayland.xml, wl_subsurface; wl_surface.commit",
    matters: "Borders and contents of a window come apart while it is resized.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let camera = client.screenshots()?;
    let (window, buffer) = client.visible_window()?;
    // Else the subsurface makes the window larger, and some show what was there before until that is settled.
    window.xdg_surface.set_window_geometry(0, 0, SIDE, SIDE);
    let (child, _subsurface) = client.subsurface(&window.surface)?;
    let painted = client.painted(FIRST)?;
    client.present(&window.surface, &buffer)?;
    client.submit(&child, &painted.buffer);
    client.settle()?;
    if camera.take(&mut client)?.count(FIRST) > 0 {
        return Err(Stop::fail(
            "nothing before the parent's commit",
            "the subsurface's buffer on the output",
        ));
    }
    client.present(&window.surface, &buffer)?;
    if camera.take(&mut client)?.count(FIRST) == 0 {
        return Err(Stop::fail("the subsurface's buffer after the parent's commit", "nothing on the output"));
    }
    Ok("shown with its parent".to_owned())
}
