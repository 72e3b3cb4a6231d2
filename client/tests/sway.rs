//! The client against sway, headless, drawing with pixman: unlike weston without input devices, it tells
//! windows their size.

mod host;

use host::{Sway, check_exact, while_shown};
use selkie_client::{Config, Ended, Format, Pattern, Picture, Scene, Seals, Size, Transform, stamp};

#[test]
fn a_tiled_window_takes_the_size_it_is_given_and_its_pool_grows() {
    let Some(sway) = Sway::start() else { return };
    let pattern = Pattern::Checker;
    let config = Config { size: Size::new(200, 200), pattern, frames: Some(3), ..sway.config() };
    // Memory that must not grow is replaced.
    for seals in [Seals::SHRINK, Seals::SHRINK.union(Seals::GROW)] {
        let config = Config { seals: Some(seals), ..config.clone() };
        let statistics = while_shown(config.clone(), |picture| {
            assert_eq!(picture.size, Size::new(1280, 720));
            assert_eq!(check_exact(&sway.screenshot(), &picture, 2), (0, 0));
            // A second window takes half of the first one's room, and gives it back: the picture follows.
            let second = Config { hold: false, pattern: Pattern::Bars, ..config };
            let half = while_shown(second, |picture| {
                assert_eq!(picture.size, Size::new(640, 720));
                let found = stamp::find_all(sway.screenshot().view());
                assert!(found.iter().any(|f| f.stamp.is_ok_and(|s| s.pattern == Pattern::Bars.number())));
            });
            assert_eq!(half.size, Size::new(640, 720));
        });
        assert!(statistics.pool_bytes >= 3 * 1280 * 720 * 4);
        assert_eq!(statistics.committed, 3);
    }
}

#[test]
fn a_window_that_keeps_its_size_floats_and_is_exact() {
    let Some(sway) = Sway::start() else { return };
    let formats = [Format::Xrgb8888, Format::Argb8888, Format::Xbgr8888];
    for format in formats {
        for scene in [Scene::default(), Scene { stride_padding: 60, offset: 68, ..Scene::default() }] {
            let size = Size::new(303, 201);
            let pattern = Pattern::Plasma;
            let config =
                Config { size, pattern, format, scene, resizable: false, frames: Some(2), ..sway.config() };
            while_shown(config, |picture| {
                assert_eq!(picture.size, size);
                check_exact(&sway.screenshot(), &picture, 1);
            });
        }
    }
}

#[test]
fn half_transparent_windows_are_blended() {
    let Some(sway) = Sway::start() else { return };
    let (size, format) = (Size::new(300, 200), Format::Argb8888);
    let config = Config { size, format, alpha: true, resizable: false, frames: Some(1), ..sway.config() };
    while_shown(config, |picture| {
        let shot = sway.screenshot();
        let (found, _) = stamp::find(shot.view()).unwrap();
        let ground = 0x204060_u32;
        for (seen, drawn) in shot.part(found.origin, size).iter().zip(picture.shown(0)) {
            let under = 255 - (drawn >> 24);
            for at in [0, 8, 16] {
                let exact = (drawn >> at & 0xff) + ((ground >> at & 0xff) * under + 127) / 255;
                let seen = seen >> at & 0xff;
                assert!(seen.abs_diff(exact.min(255)) <= 1, "{seen:x} for {exact:x} ({drawn:08x})");
            }
        }
    });
}

#[test]
fn every_transform_shows_every_pixel_in_its_place() {
    let Some(sway) = Sway::start() else { return };
    for transform in Transform::ALL {
        let scene = Scene { transform, ..Scene::default() };
        let size = Size::new(231, 187);
        let config = Config { size, scene, resizable: false, frames: Some(1), ..sway.config() };
        while_shown(config, |picture| {
            let shot = sway.screenshot();
            let expected = turned(&picture, transform);
            // Where the window is, any row of it tells.
            let row = &expected[(size.width * 90) as usize..][..size.width as usize];
            let at = shot.pixels.windows(row.len()).position(|seen| seen == row).expect("the row is there");
            let origin = (at as u32 % shot.size.width, at as u32 / shot.size.width);
            let top = (0..=90)
                .rev()
                .map(|up| (origin.0, origin.1 - up))
                .find(|origin| shot.part(*origin, size) == expected);
            assert!(top.is_some(), "{transform:?}");
        });
    }
}

/// The picture as it has to be on the screen: a buffer with transform t holds the content turned by t, so showing it
/// turns it back. Surface pixel (x, y) comes from this buffer pixel, as in the table of wl_output.transform.
fn turned(picture: &Picture, transform: Transform) -> Vec<u32> {
    let shown = picture.shown_on_black(0);
    let (w, h) = (picture.size.width, picture.size.height);
    let size = if transform.swaps() { picture.size.swapped() } else { picture.size };
    let from = |x: u32, y: u32| match transform {
        Transform::Normal => (x, y),
        Transform::Rotate90 => (y, h - 1 - x),
        Transform::Rotate180 => (w - 1 - x, h - 1 - y),
        Transform::Rotate270 => (w - 1 - y, x),
        Transform::Flipped => (w - 1 - x, y),
        Transform::Flipped90 => (y, x),
        Transform::Flipped180 => (x, h - 1 - y),
        Transform::Flipped270 => (w - 1 - y, h - 1 - x),
    };
    let at = |(x, y): (u32, u32)| shown[(y * w + x) as usize];
    (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y))).map(|(x, y)| at(from(x, y))).collect()
}

#[test]
fn a_buffer_of_twice_the_size_is_a_window_of_the_size() {
    let Some(sway) = Sway::start() else { return };
    let scene = Scene { scale: 2, ..Scene::default() };
    let size = Size::new(260, 200);
    let config = Config { size, scene, resizable: false, frames: Some(1), ..sway.config() };
    let statistics = while_shown(config, |picture| {
        assert_eq!(picture.size, Size::new(520, 400));
        let (found, stamp) = stamp::find(sway.screenshot().view()).unwrap();
        assert_eq!((found.cell, stamp.size), (4, picture.size));
    });
    assert_eq!((statistics.ended, statistics.size), (Ended::Stopped, size));
}
