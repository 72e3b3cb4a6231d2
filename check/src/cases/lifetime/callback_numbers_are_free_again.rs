//! A callback is gone when it has been called, and its number with it.

use selkie_protocols::wayland_client::Proxy;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "lifetime.callback-numbers-are-free-again",
    does: "Has 64 frame callbacks called, three times over.",
    must: "Their object numbers are used again.",
    reference: "wayland.xml, wl_surface.frame: \"The object returned by this request will be destroyed by the compositor after the callback is fired\"; wl_display.delete_id",
    matters: "A client that draws for days runs out of numbers, or of memory.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    let mut client = session.connect()?;
    let (window, buffer) = client.shown_window()?;
    let mut highest = Vec::new();
    for _ in 0..3 {
        let frames: Vec<_> = (0..64).map(|_| window.surface.frame(&client.qh(), ())).collect();
        client.present(&window.surface, &buffer)?;
        client.settle()?;
        highest.push(frames.iter().map(|frame| frame.id().protocol_id()).max().unwrap_or(0));
    }
    match highest[..] {
        [first, _, last] if last >= first + 64 => {
            Err(Stop::fail(format_args!("numbers up to {first}"), format_args!("numbers up to {last}")))
        }
        _ => Ok("used again".to_owned()),
    }
}
