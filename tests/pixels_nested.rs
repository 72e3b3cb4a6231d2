//! The client's pictures through a selkie that is a window in another compositor: another selkie, weston and
//! sway. The same scenes as headless; what they must look like does not depend on the host, nor on whether the host is
//! handed the client's own memory or a picture that selkie drew. Which of the two it was is asked of the ledger.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use selkie_client::{Config, Pattern, Scene, Size, stamp};
use support::reference::Screen;
use support::report::{Path, frames};
use support::scenes::{self, Case};
use support::{Host, Image, Kind, assert_alike, assert_close, assert_same, require_programs};

/// As [`scenes::SCALED`] for weston, which computes a picture's place on the screen in single precision.
const FOREIGN_SCALED: u8 = 8;

/// Starts selkie in a host, for one of the paths, with a report.
fn nested_in(host: &Host, path: Path, size: &str) -> (Host, std::path::PathBuf) {
    let report = host.dir.file("nested.jsonl");
    let mut arguments = vec!["--size", size, "--report", report.to_str().unwrap()];
    arguments.extend((path == Path::Composed).then_some("--compose"));
    (host.selkie_inside(&arguments), report)
}

/// All frames in a report took the path, and what was forwarded was not read.
fn assert_path(name: &str, report: &std::path::Path, path: Path) {
    let frames = frames(report);
    assert!(!frames.is_empty(), "{name}");
    for frame in frames {
        assert_eq!((frame.path, frame.bytes_copied > 0), (path, path == Path::Composed), "{name}: {frame:?}");
    }
}

/// Shows all scenes one after the other in one window of a host of others, and compares all of the nested screen as
/// the host shows it.
fn check_all(mut host: Host, path: Path) {
    let (nested, report) = nested_in(&host, path, "683x515");
    // Its first picture, all background, tells where it is, and there it stays.
    let (around, host_kind) = (host.background(), host.kind);
    let place = |image: &Image| image.bounds(around).filter(|(_, _, w, h)| (*w, *h) == (683, 515));
    let empty = host.screenshot_until("selkie's window", |image| place(image).is_some());
    let (x, y, width, height) = place(&empty).unwrap();
    // weston's screenshots take the unused byte for alpha, and pixman leaves zero there when it computes in
    // floating point.
    let readable = |case: &Case| host_kind != Kind::Weston || !case.name.contains("2101010");
    // The pixman renderer of sway 1.7 shows a crop of every picture from its top left corner on ("TODO clip properly with src_x
    // and src_y").
    let cropped = |case: &Case| case.config.scene.viewport_source.is_some();
    let told = |case: &Case| (path, host_kind) != (Path::Forwarded, Kind::Sway) || !cropped(case);
    for case in cases(path).into_iter().filter(readable).filter(told) {
        let shown = nested.show(&case.config);
        assert_eq!(shown.frame, case.last_frame(), "{}", case.name);
        let seen = host.screenshot().crop(x, y, width, height);
        shown.end();
        let mut expected = Screen::new(width, height, nested.background());
        expected.show(&case.config, &case.frames);
        let name = format!("{:?}-{path:?}-{}", host.kind, case.name);
        match (path, host.kind, case.tolerance) {
            // A host scales as it likes.
            (Path::Forwarded, Kind::Sway, scenes::SCALED) => assert_alike(&name, &seen, &expected.image),
            (Path::Forwarded, Kind::Weston, scenes::SCALED) => {
                assert_close(&name, &seen, &expected.image, FOREIGN_SCALED);
            }
            (_, _, tolerance) => assert_close(&name, &seen, &expected.image, tolerance),
        }
    }
    let shown = nested.show(&golden());
    check_golden(&host.screenshot().crop(x, y, width, height));
    shown.end();
    assert_path(&format!("{:?}", host.kind), &report, path);
}

/// What is shown by each path: what is composed is the same picture for every host, so a few will do.
fn cases(path: Path) -> Vec<Case> {
    let step = if path == Path::Composed { 4 } else { 1 };
    scenes::selection().into_iter().step_by(step).collect()
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
    check_all(Host::weston(1099, 931).unwrap(), Path::Forwarded);
}

#[test]
fn in_weston_composed() {
    require_programs!("weston", "weston-screenshooter");
    check_all(Host::weston(1099, 931).unwrap(), Path::Composed);
}

#[test]
fn in_sway() {
    require_programs!("sway", "grim");
    // sway tiles: the window has the size of its output.
    check_all(Host::sway(683, 515).unwrap(), Path::Forwarded);
}

#[test]
fn in_sway_composed() {
    require_programs!("sway", "grim");
    check_all(Host::sway(683, 515).unwrap(), Path::Composed);
}

/// An output with two pixels per unit: the nested screen has all of them. A client that draws that many is shown
/// pixel by pixel; one that does not is enlarged.
#[test]
fn in_sway_with_an_output_of_scale_2() {
    require_programs!("sway", "grim");
    let mut host = Host::sway_scaled(684, 516, 2).unwrap();
    let (nested, report) = nested_in(&host, Path::Forwarded, "342x258");
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
        if tolerance > 0 {
            assert_alike(&format!("hidpi-{scale}"), &seen, &expected.image);
        } else {
            assert_same(&format!("hidpi-{scale}"), &seen, &expected.image);
            let stamp = stamp::decode(seen.view(), (x as u32, y as u32), stamp::CELL).unwrap();
            assert_eq!((stamp.frame, stamp.size), (1, Size::new(346, 282)));
        }
    }
    assert_path("hidpi", &report, Path::Forwarded);
}

/// One compositor each: selkie gives its picture when it ends.
fn check_in_selkie(path: Path) {
    let start = || {
        let host = Host::selkie(&["--size", "683x515", "--refresh", "0"]);
        let (nested, report) = nested_in(&host, path, "683x515");
        (host, nested, report)
    };
    for case in cases(path) {
        let (mut host, nested, report) = start();
        let shown = nested.show(&case.config);
        assert_eq!(shown.frame, case.last_frame(), "{}", case.name);
        assert_path(&case.name, &report, path);
        let mut expected = Screen::new(683, 515, nested.background());
        expected.show(&case.config, &case.frames);
        let name = format!("nested-{path:?}-{}", case.name);
        assert_close(&name, &host.screenshot(), &expected.image, case.tolerance);
    }
    let (mut host, nested, _report) = start();
    let _shown = nested.show(&golden());
    check_golden(&host.screenshot());
}

#[test]
fn in_selkie() {
    check_in_selkie(Path::Forwarded);
}

#[test]
fn in_selkie_composed() {
    check_in_selkie(Path::Composed);
}
