//! The client's pictures through a selkie that is a window in another compositor: another selkie, weston and
//! sway. The same scenes as headless; what they must look like does not depend on the host.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use support::reference::Screen;
use support::scenes::{self, Case};
use support::{Host, Image, Kind, assert_close, require_programs};

/// Shows all scenes one after the other in one window of a host of others, and compares all of the nested screen as
/// the host shows it.
fn check_all(mut host: Host) {
    let nested = host.selkie_inside(&["--size", "683x515"]);
    // Its first picture, all background, tells where it is, and there it stays.
    let (around, host_kind) = (host.background(), host.kind);
    let place = |image: &Image| image.bounds(around).filter(|(_, _, w, h)| (*w, *h) == (683, 515));
    let empty = host.screenshot_until("selkie's window", |image| place(image).is_some());
    let (x, y, width, height) = place(&empty).unwrap();
    // weston's screenshots take the unused byte for alpha, and pixman leaves zero there when it computes in
    // floating point.
    let readable = |case: &Case| host_kind != Kind::Weston || !case.name.contains("2101010");
    for case in scenes::selection().into_iter().filter(readable) {
        let shown = nested.show(&case.config);
        assert_eq!(shown.frame, case.last_frame(), "{}", case.name);
        let seen = host.screenshot().crop(x, y, width, height);
        shown.end();
        let mut expected = Screen::new(width, height, nested.background());
        expected.show(&case.config, &case.frames);
        assert_close(&format!("{:?}-{}", host.kind, case.name), &seen, &expected.image, case.tolerance);
    }
}

#[test]
fn in_weston() {
    require_programs!("weston", "weston-screenshooter");
    // Wherever within 410 pixels the window is, it is whole.
    check_all(Host::weston(1099, 931).unwrap());
}

#[test]
fn in_sway() {
    require_programs!("sway", "grim");
    // sway tiles: the window has the size of its output.
    check_all(Host::sway(683, 515).unwrap());
}

/// One compositor each: selkie gives its picture when it ends.
#[test]
fn in_selkie() {
    for case in scenes::selection() {
        let mut host = Host::selkie(&["--size", "683x515", "--refresh", "0"]);
        let nested = host.selkie_inside(&["--size", "683x515"]);
        let shown = nested.show(&case.config);
        assert_eq!(shown.frame, case.last_frame(), "{}", case.name);
        let mut expected = Screen::new(683, 515, nested.background());
        expected.show(&case.config, &case.frames);
        assert_close(&format!("nested-{}", case.name), &host.screenshot(), &expected.image, case.tolerance);
    }
}
