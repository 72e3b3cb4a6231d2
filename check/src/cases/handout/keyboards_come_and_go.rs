//! Each keyboard is an fd that has to be opened, sent and closed.

use selkie_protocols::wayland_client::Proxy;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "handout.keyboards-come-and-go",
    does: "Makes and releases two hundred keyboards.",
    must: "Each gets a keymap, and the compositor keeps none of the fds.",
    reference: "wayland.xml, wl_keyboard.keymap and wl_keyboard.release",
    matters: "A compositor that forgets one fd for each keyboard runs out of them within a day of ordinary work.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let seat = client.seat(9)?;
    for _ in 0..200 {
        let keymap = client.keymap(&seat)?;
        if keymap.keyboard.version() >= 3 {
            keymap.keyboard.release();
        }
    }
    client.roundtrip()?;
    Ok("200 keymaps".to_owned())
}
