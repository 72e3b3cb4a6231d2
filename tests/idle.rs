//! What the compositor does while nothing happens: nothing. And what it does for clients that keep it
//! waiting: it wakes up when they are ready, and not before.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::Host;
use support::raw::{Raw, memfd};
use wayland_client::protocol::{wl_callback::WlCallback, wl_shm::WlShm};

#[test]
fn without_damage_nothing_wakes_up() {
    let host = Host::selkie(&["--size", "640x480"]);
    let mut raw = Raw::connect(&host.socket());
    let window = raw.window().unwrap();
    let shm: WlShm = raw.bind(1);
    let seals = rustix::fs::SealFlags::SHRINK;
    let pool = raw.pool(&shm, memfd(64 * 64 * 4, Some(seals)), 64 * 64 * 4);
    let buffer = raw.buffer(&pool, 64, 64);
    raw.present(&window.surface, &buffer).unwrap();
    raw.roundtrip().unwrap();
    // Time itself is what is measured here: that it passes and nothing runs. The watchdog looks a few times
    // more until it is sure that no turn is under way; how late it does so depends on the machine. Something that
    // wakes up again and again never gives two quiet times in a row.
    let quiet = || {
        let before = host.process.context_switches();
        std::thread::sleep(Duration::from_secs(2));
        host.process.context_switches() - before
    };
    let mut looks = vec![quiet()];
    while looks.len() < 5 && !looks.ends_with(&[0, 0]) {
        looks.push(quiet());
    }
    assert!(looks.ends_with(&[0, 0]), "{looks:?}");
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let host = Host::selkie(&["--size", "640x480"]);
    let mut raw = Raw::connect(&host.socket());
    // More answers than the socket holds, fewer than a client may leave unread.
    let asked = 25_000;
    for _ in 0..asked {
        let _: WlCallback = raw.display().sync(&raw.qh(), ());
    }
    raw.flush().unwrap();
    // Nothing more is sent: only that there is room again can have the rest come.
    let done = |raw: &Raw| raw.events.log.iter().filter(|event| event.interface == "wl_callback").count();
    let from = done(&raw);
    raw.wait("all answers", move |events| {
        events.log.iter().filter(|event| event.interface == "wl_callback").count() >= asked + from
    })
    .unwrap();
}
