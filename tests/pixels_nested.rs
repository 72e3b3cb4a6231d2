//! The client's pictures through a selkie that is a window in another compositor: another selkie, weston and
//! sway. The same scenes as headless; what they must look like does not depend on the host.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use selkie_client::{Config, Pattern, Scene, Size, stamp};
use support::reference::Screen;
use support::scenes::{self, Case};
use support::{Host, Image, Kind, assert_close, assert_same, require_programs};

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
    let shown = nested.show(&golden());
    check_golden(&host.screenshot().crop(x, y, width, height));
    shown.end();
}

/// What shows a picture of assets/patterns in the middle.
fn golden() -> Config {
    let size = Size::new(320, 200);
    Config { pattern: Pattern::MovingBar, size, frames: Some(8), ..Config::default() }
}

fn check_golden(screen: &Image) {
    let (found, stamp) = stamp::find(screen.view()).unwrap();
    assert_eq!((found.origin, found.cell), ((181, 157), stamp::CELL));
    let expected = (7, Size::new(320, 200), Pattern::MovingBar.number());
    assert_eq!((stamp.frame, stamp.size, stamp.pattern), expected);
    assert_same("nested-golden", &screen.crop(181, 157, 320, 200), &Image::golden("moving-bar-7"));
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

/// An output with two pixels per unit: the nested screen has all of them. A client that draws that many is shown
/// pixel by pixel; one that does not is enlarged.
#[test]
fn in_sway_with_an_output_of_scale_2() {
    require_programs!("sway", "grim");
    let mut host = Host::sway_scaled(684, 516, 2).unwrap();
    let nested = host.selkie_inside(&["--size", "342x258"]);
    let empty = Image::filled(684, 516, nested.background());
    host.screenshot_until("selkie's window", |image| *image == empty);
    let size = Size::new(173, 141);
    let plain = Config { pattern: Pattern::Plasma, size, frames: Some(2), ..Config::default() };
    for (scale, tolerance) in [(2, 0), (1, scenes::SCALED)] {
        let config = Config { scene: Scene { scale, ..Scene::default() }, ..plain.clone() };
        let shown = nested.show(&config);
        let seen = host.screenshot();
        shown.end();
        let mut expected = Screen::new(684, 516, nested.background());
        expected.scale = 2;
        let (x, y) = expected.show(&config, &[1]);
        assert_close(&format!("hidpi-{scale}"), &seen, &expected.image, tolerance);
        if scale == 2 {
            let stamp = stamp::decode(seen.view(), (x as u32, y as u32), stamp::CELL).unwrap();
            assert_eq!((stamp.frame, stamp.size), (1, Size::new(346, 282)));
        }
    }
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
    let mut host = Host::selkie(&["--size", "683x515", "--refresh", "0"]);
    let nested = host.selkie_inside(&["--size", "683x515"]);
    let _shown = nested.show(&golden());
    check_golden(&host.screenshot());
}
