//! A client is gone between its commit and the next frame.

use crate::frames::FIRST;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.client-gone-mid-frame",
    does: "Connects twenty times, commits a buffer each time, and drops the connection at once.",
    must: "The compositor goes on, and keeps nothing.",
    reference: "wayland.xml, wl_display; unix(7)",
    matters: "Programs are killed at any point, and windows are many.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for _ in 0..20 {
        let mut client = session.connect()?;
        let window = client.window()?;
        let painted = client.painted(FIRST)?;
        client.submit(&window.surface, &painted.buffer);
        client.flush()?;
    }
    session.connect()?.shown_window()?;
    Ok("went on".to_owned())
}
