//! An animation with two buffers.

use selkie_protocols::wayland_client::Proxy;
use selkie_protocols::wayland_client::backend::ObjectId;

use crate::client::Events;

use crate::frames::{FIRST, SECOND};

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.swap-two-buffers",
    does: "Shows thirty frames, each in whichever of two buffers is free.",
    must: "One of them always becomes free.",
    reference: "wayland.xml, wl_surface.attach: \"When the compositor will not access the pixels anymore, it will send the wl_buffer.release event\"",
    matters: "Most clients have two buffers, and freeze when neither comes back.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffers = [client.painted(FIRST)?, client.painted(SECOND)?];
    let mut used = [0, 0];
    for _ in 0..30 {
        let ids = [buffers[0].buffer.id(), buffers[1].buffer.id()];
        let free = |events: &Events| {
            let releases = |id: &ObjectId| events.log.iter().filter(|event| event.object == *id).count();
            (0..2).find(|at| releases(&ids[*at]) >= used[*at])
        };
        client.wait("one of two buffers to be released", |events| free(events).is_some())?;
        let at = free(&client.events).unwrap_or(0);
        used[at] += 1;
        client.present(&window.surface, &buffers[at].buffer)?;
    }
    Ok(format!("{} and {} frames", used[0], used[1]))
}
