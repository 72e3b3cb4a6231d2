//! Dma-bufs through a nested selkie: the host shows them, and the nested one reads not a byte.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use selkie_client::{BufferKind, Config, Format, Pattern, Size};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    Flags, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::{
    self, ZwpLinuxDmabufV1,
};
use shm_core::dmabuf::DmaBuf;
use support::dmabuf::{self, card, fourcc, heap, layered, udmabuf};
use support::mock::{Order, TILED};
use support::raw::Raw;
use support::reference::{Screen, extents};
use support::report::{Path, frames};
use support::{Host, Image, Mock, Witness, assert_close, assert_same, require_devices};
use wayland_client::protocol::wl_buffer::WlBuffer;

const WIDTH: usize = 67;
const HEIGHT: usize = 41;

fn picture() -> Image {
    dmabuf::picture(WIDTH, HEIGHT, 0)
}

fn bytes(image: &Image) -> Vec<u8> {
    image.pixels.iter().flat_map(|p| (p | 0x7f00_0000).to_le_bytes()).collect()
}

/// Shows a dma-buf in a selkie in a selkie; returns what the outer one shows, and what the inner one reports.
fn show(make: fn(&[u8]) -> DmaBuf, arguments: &[&str]) -> (Image, String) {
    let size = format!("{WIDTH}x{HEIGHT}");
    let mut host = Host::selkie(&["--size", &size, "--refresh", "0"]);
    let report = host.dir.file("nested.jsonl");
    let nested = ["--size", &size, "--report", report.to_str().unwrap()];
    let nested = host.selkie_inside(&[&nested, arguments].concat());
    let mut raw = Raw::connect(&nested.socket());
    let global: ZwpLinuxDmabufV1 = raw.bind(5);
    let window = raw.window().unwrap();
    let memory = make(&bytes(&picture()));
    let layout = (WIDTH as i32, HEIGHT as i32, WIDTH as u32 * 4);
    let buffer = dmabuf::buffer(&mut raw, &global, &memory, layout, fourcc(b"XR24"));
    raw.present(&window.surface, &buffer).unwrap();
    let shown = host.screenshot();
    drop(nested);
    (shown, std::fs::read_to_string(report).unwrap())
}

fn check(name: &str, make: fn(&[u8]) -> DmaBuf) {
    for (path, arguments) in [("forwarded", &[][..]), ("composed", &["--compose"])] {
        let (shown, report) = show(make, arguments);
        assert_same(&format!("dmabuf-{name}-{path}"), &shown, &picture());
        let frames: Vec<&str> = report.lines().filter(|l| l.contains(r#""event":"frame""#)).collect();
        assert!(!frames.is_empty(), "{report}");
        for frame in frames {
            assert!(frame.contains(&format!(r#""path":"{path}""#)), "{frame}");
            assert_eq!(frame.contains(r#""bytes_copied":0,"#), path == "forwarded", "{frame}");
        }
    }
}

#[test]
fn an_udmabuf_is_forwarded() {
    require_devices!("/dev/udmabuf");
    check("udmabuf", udmabuf);
}

#[test]
fn a_heap_buffer_is_forwarded() {
    require_devices!("/dev/dma_heap/system");
    check("heap", heap);
}

fn config(buffer: BufferKind, format: Format) -> Config {
    let size = Size::new(211, 149);
    Config { buffer, format, size, pattern: Pattern::Plasma, frames: Some(4), ..Config::default() }
}

/// Shows `selkie client` in a selkie in a selkie: the picture is right, every frame was forwarded, and not a byte of it
/// was read on the way.
fn check_client(name: &str, config: &Config, tolerance: u8) {
    let (_, _, width, height) = extents(config);
    let (width, height) = (width as usize + 20, height as usize + 10);
    let size = format!("{width}x{height}");
    let mut host = Host::selkie(&["--size", &size, "--refresh", "0"]);
    let report = host.dir.file("nested.jsonl");
    let nested = host.selkie_inside(&["--size", &size, "--report", report.to_str().unwrap()]);
    let shown = nested.show(config);
    let mut expected = Screen::new(width, height, nested.background());
    expected.show(config, &vec![shown.frame; 1 + config.scene.subsurfaces.len()]);
    assert_close(&format!("dmabuf-forwarded-{name}"), &host.screenshot(), &expected.image, tolerance);
    let frames = frames(&report);
    assert!(frames.len() >= 4, "{name}: {frames:?}");
    for frame in frames {
        assert_eq!((frame.path, frame.bytes_copied), (Path::Forwarded, 0), "{name}: {frame:?}");
    }
}

#[test]
fn memory_of_every_source_is_forwarded() {
    require_devices!("/dev/udmabuf", "/dev/dma_heap/system", "/dev/dri/card0");
    for kind in [BufferKind::Udmabuf, BufferKind::DmaHeap, BufferKind::Gbm] {
        check_client(kind.name(), &config(kind, Format::Xrgb8888), 0);
    }
    for driver in ["virtio", "cirrus", "vgem"] {
        let config = Config { device: Some(card(driver)), ..config(BufferKind::Dumb, Format::Xrgb8888) };
        check_client(&format!("dumb-{driver}"), &config, 0);
    }
}

#[test]
fn video_is_forwarded_and_shown_as_its_samples_say() {
    require_devices!("/dev/udmabuf");
    for format in [Format::Nv12, Format::P010, Format::Yuv420] {
        let size = Size::new(131, 129);
        let config = Config { size, ..config(BufferKind::Udmabuf, format) };
        check_client(&format!("{format}"), &config, 1);
    }
}

#[test]
fn subsurfaces_of_both_kinds_of_memory_are_forwarded_together() {
    require_devices!("/dev/udmabuf");
    let scene = layered();
    check_client("subsurfaces", &Config { scene, ..config(BufferKind::Udmabuf, Format::Argb8888) }, 0);
}

/// A client in a selkie whose host is told what to take.
struct Tiled {
    mock: Mock,
    nested: Host,
    raw: Raw,
    global: ZwpLinuxDmabufV1,
    memory: DmaBuf,
}

impl Tiled {
    const SIZE: (i32, i32) = (WIDTH as i32, HEIGHT as i32);

    fn new() -> Self {
        let mock = Mock::start();
        let nested = Host::selkie_at(&mock.socket, &["--size", "400x300"]);
        let mut raw = Raw::connect(&nested.socket());
        let global: ZwpLinuxDmabufV1 = raw.bind(3);
        raw.roundtrip().unwrap();
        Self { mock, nested, raw, global, memory: udmabuf(&bytes(&picture())) }
    }

    fn params(&mut self, modifier: u64) -> ZwpLinuxBufferParamsV1 {
        let planes = [(self.memory.fd(), 0, WIDTH as u32 * 4)];
        dmabuf::params(&mut self.raw, &self.global, &planes, modifier)
    }

    fn create(&mut self, modifier: u64) -> Option<WlBuffer> {
        let params = self.params(modifier);
        dmabuf::create(&mut self.raw, &params, Self::SIZE, fourcc(b"XR24"), Flags::empty()).unwrap()
    }
}

/// What only a GPU can read is offered because the host takes it, and goes there unopened.
#[test]
fn what_no_cpu_can_read_is_passed_on() {
    require_devices!("/dev/udmabuf");
    let mut client = Tiled::new();
    let offered = client.raw.of(&client.global).iter().any(|event| match event {
        zwp_linux_dmabuf_v1::Event::Modifier { format, modifier_hi, modifier_lo } => {
            (*format, u64::from(*modifier_hi) << 32 | u64::from(*modifier_lo)) == (fourcc(b"XR24"), TILED)
        }
        _ => false,
    });
    assert!(offered, "the host's modifiers are offered");
    let buffer = client.create(TILED).expect("the host takes it");
    let window = client.raw.window().unwrap();
    window.surface.attach(Some(&buffer), 0, 0);
    window.surface.damage(0, 0, i32::MAX, i32::MAX);
    window.surface.commit();
    client.raw.roundtrip().unwrap();
    let seen = client.mock.until("the commit", |seen| seen.attached == 1);
    assert_eq!(seen.dmabufs, [(fourcc(b"XR24"), TILED, 1)]);
}

/// A host that takes nothing: what the CPU can read is composed, what it cannot is refused. And nobody else suffers.
#[test]
fn what_the_host_does_not_take_is_composed_or_fails() {
    require_devices!("/dev/udmabuf");
    let mut client = Tiled::new();
    client.mock.order(Order::TakeNone);
    assert!(client.create(TILED).is_none(), "nobody can show it");
    let buffer = client.create(0).expect("it can be composed");
    let before = client.mock.until("a picture", |seen| seen.frames > 0).frames;
    let window = client.raw.window().unwrap();
    window.surface.attach(Some(&buffer), 0, 0);
    window.surface.damage(0, 0, i32::MAX, i32::MAX);
    window.surface.commit();
    client.mock.order(Order::Behave);
    client.raw.roundtrip().unwrap();
    let seen = client.mock.until("the next picture", |seen| seen.frames > before);
    assert_eq!((seen.attached, seen.dmabufs.len()), (0, 2));
    // Who does not wait for the answer is ended by it.
    let params = client.params(TILED);
    let (w, h) = Tiled::SIZE;
    params.create_immed(w, h, fourcc(b"XR24"), Flags::empty(), &client.raw.qh(), ());
    let ended = client.raw.wait("the end", |_| false).unwrap_err();
    assert!(
        format!("{ended:?}").contains("only a GPU can read it, and the host does not take it"),
        "{ended:?}"
    );
    drop(Witness::new(&client.nested.socket()));
}
