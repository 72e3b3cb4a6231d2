//! The client against a compositor that nobody here wrote: weston, headless, drawing with pixman.

mod host;

use host::{Weston, check_exact, while_shown};
use selkie_client::stamp;
use selkie_client::{
    BufferKind, ClientError, Config, Ended, Format, Hooks, Memory, Pattern, PresentSource, Redraw, Scene,
    Size, Subsurface,
};

#[test]
fn every_pattern_and_format_is_shown_pixel_by_pixel() {
    let Some(weston) = Weston::start() else { return };
    let patterns = Pattern::ALL.map(|pattern| (pattern, Format::Xrgb8888));
    let formats = [Format::Argb8888, Format::Rgb565].map(|format| (Pattern::Plasma, format));
    for (pattern, format) in patterns.into_iter().chain(formats) {
        let size = Size::new(301, 207);
        let config = Config { pattern, format, size, frames: Some(4), ..weston.config() };
        let statistics = while_shown(config, |picture| {
            check_exact(&weston.screenshot(), &picture, 3);
        });
        assert_eq!((statistics.committed, statistics.presented + statistics.discarded), (4, 4));
        assert!(statistics.released >= 2);
    }
}

#[test]
fn padding_and_offsets_change_nothing() {
    let Some(weston) = Weston::start() else { return };
    let scene = Scene { stride_padding: 52, offset: 4100, ..Scene::default() };
    let size = Size::new(257, 199);
    let config = Config { pattern: Pattern::ZonePlate, size, scene, frames: Some(2), ..weston.config() };
    while_shown(config, |picture| {
        check_exact(&weston.screenshot(), &picture, 1);
    });
}

#[test]
fn subsurfaces_are_shown_where_they_belong() {
    let Some(weston) = Weston::start() else { return };
    let sub = |sync, position, pattern| Subsurface {
        position,
        size: Size::new(140, 130),
        pattern,
        format: Format::Xrgb8888,
        alpha: false,
        sync,
        below: false,
    };
    for sync in [true, false] {
        let subsurfaces =
            vec![sub(sync, (10, 100), Pattern::Plasma), sub(sync, (170, 100), Pattern::MovingBar)];
        let scene = Scene { subsurfaces: subsurfaces.clone(), ..Scene::default() };
        let config = Config { size: Size::new(400, 300), scene, frames: Some(3), ..weston.config() };
        while_shown(config, |_| {
            let shot = weston.screenshot();
            let found = stamp::find_all(shot.view());
            assert_eq!(found.len(), 3, "{found:?}");
            let (x, y) = found[0].origin;
            for (found, sub) in found[1..].iter().zip(&subsurfaces) {
                assert_eq!(found.origin, (x + sub.position.0 as u32, y + sub.position.1 as u32));
                assert_eq!(found.stamp.unwrap().frame, 2);
                let picture = sub.picture();
                assert_eq!(shot.part(found.origin, picture.size), picture.shown_on_black(2));
            }
        });
    }
}

#[test]
fn a_synchronised_subsurface_waits_for_its_parent_and_another_does_not() {
    let Some(weston) = Weston::start() else { return };
    for sync in [true, false] {
        let sub = Subsurface {
            position: (20, 90),
            size: Size::new(130, 130),
            pattern: Pattern::Plasma,
            format: Format::Xrgb8888,
            alpha: false,
            sync,
            below: false,
        };
        let scene = Scene { subsurfaces: vec![sub], freeze_main_after: Some(2), ..Scene::default() };
        let config =
            Config { size: Size::new(300, 300), scene, frames: Some(5), buffers: 8, ..weston.config() };
        while_shown(config, |_| {
            let found = stamp::find_all(weston.screenshot().view());
            let frames: Vec<u32> = found.iter().map(|f| f.stamp.unwrap().frame).collect();
            assert_eq!(frames, [1, if sync { 1 } else { 4 }]);
        });
    }
}

#[test]
fn a_viewport_gives_the_window_its_size() {
    let Some(weston) = Weston::start() else { return };
    let scene = Scene {
        viewport_source: Some((16.0, 16.0, 100.0, 50.0)),
        viewport_destination: Some(Size::new(100, 50)),
        ..Scene::default()
    };
    let config = Config { pattern: Pattern::Gradient, scene, frames: Some(1), ..weston.config() };
    while_shown(config, |picture| {
        assert_eq!(picture.size, Size::new(640, 480));
        let (shot, shown) = (weston.screenshot(), picture.shown_on_black(0));
        let row = |y: u32| &shown[((16 + y) * 640 + 16) as usize..][..100];
        let width = shot.size.width as usize;
        let at =
            shot.pixels.windows(100).position(|seen| seen == row(0)).expect("the first row is on the screen");
        for y in 0..50 {
            assert_eq!(&shot.pixels[at + y as usize * width..][..100], row(y), "row {y}");
        }
    });
}

#[test]
fn without_pacing_frames_come_as_fast_as_buffers_are_free() {
    let Some(weston) = Weston::start() else { return };
    let report = weston.path("report.jsonl");
    let config = Config {
        pace: false,
        redraw: Redraw::Never,
        frames: Some(500),
        report: Some(report.clone()),
        ..weston.config()
    };
    let statistics = selkie_client::run(config).unwrap();
    assert_eq!((statistics.committed, statistics.ended), (500, Ended::Frames));
    assert_eq!(statistics.presented + statistics.discarded, 500);
    assert_eq!(statistics.present_source, PresentSource::Feedback);
    // How many are shown is weston's pace, not ours; the last one always is.
    assert!(statistics.commit_to_present.count == statistics.presented && statistics.presented >= 1);
    assert!(statistics.commit_to_present.p50_us <= statistics.commit_to_present.p99_us);
    // weston's clock is CLOCK_MONOTONIC_RAW; read from another, the difference would be far off.
    assert!(statistics.commit_to_present.max_us < 30_000_000);
    let text = std::fs::read_to_string(report).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 501);
    assert!(lines[..500].iter().enumerate().all(|(n, line)| line["frame"] == n));
    assert_eq!(lines[500]["committed"], 500);
}

#[test]
fn pacing_without_feedback_counts_by_frame_callbacks() {
    let Some(weston) = Weston::start() else { return };
    let config = Config { feedback: false, redraw: Redraw::Patch(64), frames: Some(10), ..weston.config() };
    let statistics = selkie_client::run(config).unwrap();
    assert_eq!(statistics.present_source, PresentSource::FrameCallback);
    assert_eq!((statistics.presented, statistics.discarded), (10, 0));
    assert!(statistics.rate > 1.0, "{statistics:?}");
}

#[test]
fn shrinking_sealed_memory_is_refused_by_the_kernel_and_nothing_happens() {
    let Some(weston) = Weston::start() else { return };
    let config = Config { shrink_after: Some(2), frames: Some(5), ..weston.config() };
    let statistics = selkie_client::run(config).unwrap();
    let shrink = statistics.shrink.unwrap();
    assert_eq!(shrink.errno, Some(rustix::io::Errno::PERM.raw_os_error()), "{shrink:?}");
    assert_eq!((statistics.committed, statistics.ended), (5, Ended::Frames));
    assert!(statistics.records.is_empty() && statistics.first_record.is_none());
}

#[test]
fn shrinking_unsealed_memory_works_and_ends_us() {
    let Some(weston) = Weston::start() else { return };
    let (memory, seals) = (Memory::PosixShm, None);
    let config =
        Config { memory, seals, shrink_after: Some(2), shrink_to: 0, frames: Some(9), ..weston.config() };
    let (statistics, result) = selkie_client::run_with(config, Hooks::default());
    assert_eq!(statistics.shrink.unwrap().errno, None);
    match result {
        Err(ClientError::Protocol(error)) => assert!(error.code == 2 || error.code == 3, "{error}"),
        other => panic!("{other:?}\n{}", weston.log()),
    }
    assert_eq!(statistics.ended, Ended::Failed);
}

#[test]
fn a_protocol_error_is_told_as_it_was_sent() {
    let Some(weston) = Weston::start() else { return };
    let scene = Scene { viewport_source: Some((-1.0, 0.0, 10.0, 10.0)), ..Scene::default() };
    let config = Config { scene, frames: Some(1), ..weston.config() };
    match selkie_client::run(config) {
        Err(ClientError::Protocol(error)) => {
            assert_eq!((&*error.interface, error.name), ("wp_viewport", "bad_value"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_compositor_without_dma_bufs_gets_shared_memory_or_a_sentence() {
    let Some(weston) = Weston::start() else { return };
    let size = Size::new(301, 207);
    let config = Config { buffer: BufferKind::Auto, size, frames: Some(2), ..weston.config() };
    let statistics = while_shown(config.clone(), |picture| {
        check_exact(&weston.screenshot(), &picture, 1);
    });
    assert_eq!((statistics.buffers.kind, &statistics.buffers.exporter), ("shm", &None));
    let why = "the compositor takes no dma-bufs (zwp_linux_dmabuf_v1): use --buffer shm";
    assert_eq!(statistics.buffers.refused, [why]);
    for (buffer, format, sentence) in [
        (BufferKind::Udmabuf, Format::Xrgb8888, why),
        (BufferKind::Auto, Format::Nv12, "NV12 goes into dma-bufs only: choose another --buffer than shm"),
    ] {
        let refused = selkie_client::run(Config { buffer, format, ..config.clone() });
        assert_eq!(refused.unwrap_err().to_string(), sentence);
    }
}
