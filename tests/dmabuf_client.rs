//! `selkie client` with dma-bufs of every source on selkie's headless screen: pictures compared pixel by pixel, and what the
//! client says about its buffers.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use selkie_client::{BufferKind, Config, Format, Pattern, Size};
use support::dmabuf::{card, layered};
use support::reference::{Screen, extents};
use support::{Host, assert_close, require_devices};

fn config(buffer: BufferKind, format: Format) -> Config {
    let size = Size::new(211, 149);
    Config { buffer, format, size, pattern: Pattern::Plasma, frames: Some(5), ..Config::default() }
}

/// Shows it, compares the screen, and gives what the client reported about its buffers.
fn check(name: &str, config: &Config, tolerance: u8) -> serde_json::Value {
    let (_, _, width, height) = extents(config);
    let (width, height) = (width as usize + 20, height as usize + 10);
    let mut host = Host::selkie(&["--size", &format!("{width}x{height}"), "--refresh", "0"]);
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.jsonl");
    let mut shown = host.show(&Config { report: Some(report.clone()), ..config.clone() });
    let mut expected = Screen::new(width, height, host.background());
    expected.show(config, &vec![shown.frame; 1 + config.scene.subsurfaces.len()]);
    assert_close(name, &host.screenshot(), &expected.image, tolerance);
    // The picture was the end of the screen; the client reports nonetheless.
    shown.process.wait();
    let text = std::fs::read_to_string(report).unwrap();
    let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    summary["buffers"].clone()
}

#[test]
fn a_udmabuf_is_shown_to_the_last_bit_in_every_format() {
    require_devices!("/dev/udmabuf");
    for format in Format::PACKED {
        let buffers = check(&format!("client-udmabuf-{format}"), &config(BufferKind::Udmabuf, format), 0);
        assert_eq!(buffers["exporter"], "udmabuf");
        assert_eq!(buffers["modifier"], "linear");
    }
}

#[test]
fn a_heap_buffer_is_shown_to_the_last_bit() {
    require_devices!("/dev/dma_heap/system");
    let buffers = check("client-heap", &config(BufferKind::DmaHeap, Format::Xrgb8888), 0);
    assert_eq!((&buffers["kind"], &buffers["exporter"]), (&"dma-heap".into(), &"system".into()));
}

#[test]
fn a_dumb_buffer_of_every_driver_is_shown_to_the_last_bit() {
    require_devices!("/dev/dri/card0");
    for driver in ["virtio", "cirrus", "vgem"] {
        let config = Config { device: Some(card(driver)), ..config(BufferKind::Dumb, Format::Xrgb8888) };
        let buffers = check(&format!("client-dumb-{driver}"), &config, 0);
        assert_eq!(buffers["kind"], "dumb");
    }
}

#[test]
fn a_buffer_of_gbm_is_shown_to_the_last_bit() {
    require_devices!("/dev/dri/card0");
    let buffers = check("client-gbm", &config(BufferKind::Gbm, Format::Xrgb8888), 0);
    assert_eq!(buffers["kind"], "gbm");
}

#[test]
fn video_is_shown_as_its_samples_say() {
    require_devices!("/dev/udmabuf", "/dev/dri/card0");
    for format in [Format::Nv12, Format::P010, Format::Yuv420] {
        for kind in [BufferKind::Udmabuf, BufferKind::Dumb] {
            for size in [Size::new(210, 148), Size::new(131, 129)] {
                let config = Config { size, ..config(kind, format) };
                check(&format!("client-{kind}-{format}-{size}"), &config, 1);
            }
        }
    }
}

#[test]
fn padding_offsets_and_subsurfaces_change_nothing() {
    require_devices!("/dev/udmabuf");
    let scene = layered();
    for kind in [BufferKind::Udmabuf, BufferKind::DmaHeap, BufferKind::Dumb] {
        let config = Config { scene: scene.clone(), ..config(kind, Format::Argb8888) };
        check(&format!("client-{kind}-layout"), &config, 0);
    }
}

#[test]
fn auto_says_what_it_took() {
    require_devices!("/dev/udmabuf");
    let buffers = check("client-auto", &config(BufferKind::Auto, Format::Xrgb8888), 0);
    assert_eq!(buffers["kind"], "udmabuf");
    assert_eq!(buffers["refused"], serde_json::json!([]));
    // What udmabuf does not take, the heap does not ask for.
    let host = Host::selkie(&["--size", "240x160", "--refresh", "0"]);
    let mut client = host.selkie_client(&["--buffer", "auto", "--memory", "posix", "--frames", "2"]);
    assert!(client.wait().success(), "{}", client.log());
    let log = client.log();
    assert!(log.contains("not udmabuf: udmabuf needs F_SEAL_SHRINK"), "{log}");
    assert!(log.contains("buffers are dma-heap (dma-bufs made by system, linear)"), "{log}");
}

#[test]
fn what_cannot_be_had_is_said_in_a_sentence() {
    require_devices!("/dev/udmabuf");
    let host = Host::selkie(&["--size", "240x160", "--refresh", "0"]);
    for (arguments, sentence) in [
        (
            &["--buffer", "udmabuf", "--seals", "grow"][..],
            "udmabuf needs F_SEAL_SHRINK and no write seal, and the memory has the seals grow: add F_SEAL_SHRINK",
        ),
        (&["--buffer", "dumb", "--device", "/dev/null"], "cannot use /dev/null as a graphics device"),
        (
            &["--buffer", "dma-heap", "--device", "/dev/dma_heap/none"],
            "no dma-heap `none`; this machine has: system",
        ),
        (&["--format", "NV12"], "NV12 goes into dma-bufs only: choose another --buffer than shm"),
        (
            &["--buffer", "gbm", "--shrink-after", "3"],
            "a dma-buf (gbm) cannot shrink: only shm can be taken away",
        ),
    ] {
        let mut client = host.selkie_client(arguments);
        assert_eq!(client.wait().code(), Some(1));
        assert!(client.log().contains(sentence), "{arguments:?}: {}", client.log());
    }
}
