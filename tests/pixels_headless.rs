//! The client's pictures through selkie's headless screen, compared pixel by pixel: bit-equal where nothing
//! is scaled, else within the tolerance that [`support::scenes`] states.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use selkie_client::{Config, Format, Pattern, Redraw, Size, stamp};
use support::reference::{Screen, extents};
use support::scenes::{self, Case};
use support::{Host, Image, assert_close, assert_same};

/// A screen that shows what is committed at once: what the client says is shown is what is captured.
fn host(width: usize, height: usize) -> Host {
    Host::selkie(&["--size", &format!("{width}x{height}"), "--refresh", "0"])
}

/// Shows a scene on a screen of its own, a bit larger than it, and compares all of it.
fn check(case: &Case) {
    let (_, _, width, height) = extents(&case.config);
    check_on(case, width as usize + 41, height as usize + 34);
}

fn check_on(case: &Case, width: usize, height: usize) {
    let mut host = host(width, height);
    let shown = host.show(&case.config);
    assert_eq!(shown.frame, case.last_frame(), "{}", case.name);
    let mut expected = Screen::new(width, height, host.background());
    expected.show(&case.config, &case.frames);
    assert_close(&case.name, &host.screenshot(), &expected.image, case.tolerance);
}

#[test]
fn odd_sizes() {
    scenes::sizes().iter().for_each(check);
}

#[test]
fn every_format() {
    scenes::formats().iter().for_each(check);
}

#[test]
fn padded_rows_and_offsets() {
    scenes::layouts().iter().for_each(check);
}

#[test]
fn all_eight_transforms() {
    scenes::transforms().iter().for_each(check);
}

#[test]
fn viewports() {
    scenes::viewports().iter().for_each(check);
}

#[test]
fn buffer_scales() {
    scenes::scales().iter().for_each(check);
}

#[test]
fn subsurfaces() {
    scenes::subsurfaces().iter().for_each(check);
}

/// Frames of which only a square in the middle is drawn anew (and damaged), and buffers that are never
/// drawn again.
#[test]
fn parts_of_frames() {
    let (width, height) = (303, 201);
    let plain = Config { pattern: Pattern::Plasma, frames: Some(9), ..Config::default() };
    let plain = Config { size: Size::new(width, height), ..plain };
    for (redraw, edge) in [(Redraw::Patch(67), 67), (Redraw::Never, 0)] {
        let mut host = host(width as usize, height as usize);
        let _shown = host.show(&Config { redraw, ..plain.clone() });
        let picture = plain.picture(plain.size);
        let [first, last] = [picture.shown(0), picture.shown(8)];
        let (left, top) = ((width - edge) / 2, (height - edge) / 2);
        let expected = Image::from_fn(width as usize, height as usize, |x, y| {
            let patch = (left..left + edge).contains(&(x as u32)) && (top..top + edge).contains(&(y as u32));
            (if patch { &last } else { &first })[y * width as usize + x]
        });
        assert_same(&format!("{redraw:?}"), &host.screenshot(), &expected);
    }
}

/// The pictures in assets/patterns, which somebody has looked at, with no arithmetic of ours between them and the
/// screen; and their stamps say what they have to.
#[test]
fn the_golden_pictures() {
    let size = Size::new(320, 200);
    for pattern in Pattern::ALL {
        for frame in [0, 7] {
            let mut host = host(683, 515);
            let config = Config { pattern, size, frames: Some(frame + 1), ..Config::default() };
            let shown = host.show(&config);
            assert_eq!(u64::from(shown.frame), frame);
            let screen = host.screenshot();
            let (found, stamp) = stamp::find(screen.view()).unwrap();
            assert_eq!((found.origin, found.cell), ((181, 157), stamp::CELL));
            assert_eq!((stamp.frame, stamp.size, stamp.pattern), (frame as u32, size, pattern.number()));
            let name = format!("{pattern}-{frame}");
            assert_same(&name, &screen.crop(181, 157, 320, 200), &Image::golden(&name));
        }
    }
    // A narrow format, too. (Those with alpha are kept as the client's bytes, which no screen shows.)
    let mut host = host(683, 515);
    let config = Config { pattern: Pattern::Gradient, format: Format::Rgb565, size, ..Config::default() };
    let _shown = host.show(&Config { frames: Some(1), ..config });
    assert_same("rgb565", &host.screenshot().crop(181, 157, 320, 200), &Image::golden("gradient-rgb565"));
}

/// A window that covers the screen exactly, one that is larger, and one of the largest kind.
#[test]
fn screens_that_are_full() {
    for (width, height) in [(683, 515), (700, 600), (2000, 1), (1, 1999)] {
        let size = Size::new(width, height);
        let config = Config { size, pattern: Pattern::Plasma, frames: Some(2), ..Config::default() };
        let case = Case { name: format!("full-{size}"), config, frames: vec![1], tolerance: 0 };
        check_on(&case, 683, 515);
    }
}

/// Several windows over each other: the first in the middle, the later ones above it, each where its stamp says.
#[test]
fn overlapping_windows() {
    const MIDDLE: (i32, i32) = ((683 - 401) / 2, (515 - 303) / 2);
    let mut host = host(683, 515);
    let window = |pattern, width, height, format, alpha| Config {
        pattern,
        size: Size::new(width, height),
        format,
        alpha,
        frames: Some(3),
        ..Config::default()
    };
    let windows = [
        window(Pattern::Bars, 401, 303, Format::Xrgb8888, false),
        window(Pattern::Plasma, 500, 200, Format::Argb8888, true),
        window(Pattern::ZonePlate, 300, 333, Format::Abgr8888, true),
        window(Pattern::Gradient, 150, 151, Format::Xrgb2101010, false),
        window(Pattern::Checker, 222, 149, Format::Rgb565, false),
    ];
    let shown: Vec<_> = windows.iter().map(|config| host.show(config)).collect();
    assert!(shown.iter().all(|client| client.frame == 2));
    let screen = host.screenshot();
    let found = stamp::find_all(screen.view());
    let mut expected = Screen::new(683, 515, host.background());
    for config in &windows {
        // Where the compositor puts it is its own affair (and tested where that is decided).
        let its = |f: &&stamp::Found| f.stamp.is_ok_and(|s| s.pattern == config.pattern.number());
        let at = found.iter().find(its).map_or(MIDDLE, |f| (f.origin.0 as i32, f.origin.1 as i32));
        expected.show_at(config, &[2], at);
    }
    // All but the first, whose stamps lie under the second.
    assert_eq!(found.len(), 4, "{found:?}");
    assert_same("overlapping", &screen, &expected.image);
}
