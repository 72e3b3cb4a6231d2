//! Sealed wl_shm memory that a nested selkie makes a dma-buf of before it passes it on. What a hole punched meanwhile would
//! leave behind is never shown.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use rustix::fs::{FallocateFlags, fallocate};
use shm_core::own::OwnMemory;
use shm_core::seals::Seals;
use support::dmabuf;
use support::raw::{Raw, Window};
use support::{Host, Image, assert_same, require_devices};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_shm::{self, WlShm};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

fn picture(seed: usize) -> Image {
    dmabuf::picture(WIDTH, HEIGHT, seed)
}

/// A client whose buffer is imported by the selkie that it is shown in, which is in another.
struct Imported {
    outer: Host,
    inner: Host,
    report: std::path::PathBuf,
    raw: Raw,
    window: Window,
    buffer: WlBuffer,
    memory: OwnMemory,
}

impl Imported {
    fn new(arguments: &[&str], stride: usize) -> Self {
        let size = format!("{WIDTH}x{HEIGHT}");
        let outer = Host::selkie(&["--size", &size, "--refresh", "0"]);
        let report = outer.dir.file("inner.jsonl");
        let ours = ["--size", &size, "--report", report.to_str().unwrap()];
        let inner = outer.selkie_inside(&[&ours, arguments].concat());
        let mut raw = Raw::connect(&inner.socket());
        let window = raw.window().unwrap();
        let length = ((stride * HEIGHT) as u64).next_multiple_of(4096);
        let memory = OwnMemory::create("imported", length, Some(Seals::SHRINK)).unwrap();
        let shm: WlShm = raw.bind(1);
        let pool = raw.pool(&shm, memory.fd(), length as i32);
        let (w, h, row) = (WIDTH as i32, HEIGHT as i32, stride as i32);
        let buffer = pool.create_buffer(0, w, h, row, wl_shm::Format::Xrgb8888, &raw.qh(), ());
        let buffer = raw.note(buffer);
        Self { outer, inner, report, raw, window, buffer, memory }
    }

    fn draw(&mut self, image: &Image, stride: usize) {
        for (y, row) in image.pixels.chunks(WIDTH).enumerate() {
            let bytes: Vec<u8> = row.iter().flat_map(|p| p.to_le_bytes()).collect();
            self.memory.write_at(y * stride, &bytes).unwrap();
        }
    }

    /// The path of the frame, after it was shown.
    fn present(&mut self) -> String {
        let shown = self.raw.present(&self.window.surface, &self.buffer);
        shown.unwrap_or_else(|e| panic!("{e:?}: {}", self.outer.process.log()));
        let report = std::fs::read_to_string(&self.report).unwrap();
        let frame = report.lines().rfind(|l| l.contains(r#""event":"frame""#)).unwrap().to_owned();
        assert!(frame.contains(r#""bytes_copied":0,"#), "{frame}");
        let path = frame.split_once(r#""path":""#).unwrap().1;
        path.split_once('"').unwrap().0.to_owned()
    }

    /// Shows it until it is imported: its pages have to be a tick of the clock old, and the host has to try it.
    fn until_imported(&mut self) {
        assert!((0..200).any(|_| self.present() == "imported"), "{}", self.inner.process.log());
    }
}

const STRIDE: usize = WIDTH * 4;

#[test]
fn a_dmabuf_of_a_pool_shows_what_is_drawn_later() {
    require_devices!("/dev/udmabuf");
    let mut client = Imported::new(&["--import", "always"], STRIDE);
    client.draw(&picture(0), STRIDE);
    client.until_imported();
    client.draw(&picture(9), STRIDE);
    assert_eq!(client.present(), "imported");
    assert_same("dmabuf-imported", &client.outer.screenshot(), &picture(9));
}

#[test]
fn a_dmabuf_of_pages_that_were_dropped_is_not_shown() {
    require_devices!("/dev/udmabuf");
    let mut client = Imported::new(&["--import", "always"], STRIDE);
    client.draw(&picture(0), STRIDE);
    client.until_imported();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(client.memory.fd(), punch, 4096, 4096).unwrap();
    client.draw(&picture(9), STRIDE);
    // The pool itself, until its pages have settled.
    assert_eq!(client.present(), "forwarded");
    client.until_imported();
    client.draw(&picture(18), STRIDE);
    assert_eq!(client.present(), "imported");
    fallocate(client.memory.fd(), punch, 0, 8192).unwrap();
    client.draw(&picture(27), STRIDE);
    assert_eq!(client.present(), "forwarded");
    assert_same("dmabuf-punched", &client.outer.screenshot(), &picture(27));
}

#[test]
fn why_no_dmabuf_is_made_of_a_pool_is_told() {
    require_devices!("/dev/udmabuf");
    let sentences = [
        (&["--import", "never"][..], STRIDE, "the host has no GPU that would rather have dma-bufs"),
        (
            &["--import", "always"],
            STRIDE + 4,
            "the stride 260 is not a multiple of 256 bytes, which GPUs want",
        ),
    ];
    for (arguments, stride, why) in sentences {
        let mut client = Imported::new(arguments, stride);
        client.draw(&picture(0), stride);
        assert_eq!(client.present(), "forwarded");
        let report = std::fs::read_to_string(&client.report).unwrap();
        let line = report.lines().find(|l| l.contains(r#""event":"notimported""#)).unwrap();
        assert!(line.contains(why), "{line}");
    }
}
