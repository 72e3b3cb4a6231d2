//! Dma-bufs through a nested selkie: the host shows them, and the nested one reads not a byte.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dmabuf::DmaBuf;
use support::dmabuf::{self, fourcc, heap, udmabuf};
use support::raw::Raw;
use support::{Host, Image, assert_same, require_devices};

const WIDTH: usize = 67;
const HEIGHT: usize = 41;

/// Every channel changes from pixel to pixel.
fn picture() -> Image {
    Image::from_fn(WIDTH, HEIGHT, |x, y| ((x * 3) << 16 | (y * 5) << 8 | ((x * 7 + y * 11) % 256)) as u32)
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
