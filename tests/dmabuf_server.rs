//! Pictures in dma-bufs on selkie's headless screen, compared pixel by pixel with what was put into them.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dmabuf::DmaBuf;
use support::dmabuf::{self, Fenced, LINEAR, Plane, fourcc, heap, udmabuf};
use support::raw::Raw;
use support::{Host, Image, assert_same, require_devices};
use wayland_client::Proxy;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::WlCallback;
use wayland_client::protocol::wl_surface::WlSurface;

const WIDTH: usize = 67;
const HEIGHT: usize = 41;

/// A screen of the size of the window that these tests show.
fn host() -> Host {
    Host::selkie(&["--size", &format!("{WIDTH}x{HEIGHT}"), "--refresh", "0"])
}

/// Every channel changes from pixel to pixel.
fn picture() -> Image {
    Image::from_fn(WIDTH, HEIGHT, |x, y| ((x * 3) << 16 | (y * 5) << 8 | ((x * 7 + y * 11) % 256)) as u32)
}

/// The bytes of rows of a packed format, `stride` bytes apart.
fn rows(image: &Image, stride: usize, pixel: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in image.pixels.chunks(image.width) {
        let from = bytes.len();
        row.iter().for_each(|p| bytes.extend(pixel(*p)));
        bytes.resize(from + stride, 0xa5);
    }
    bytes
}

/// Shows planes in a window that covers the screen, and takes a picture of that.
fn show(planes: &[Plane<'_>], format: u32, flags: Flags) -> Image {
    let mut host = host();
    let mut raw = Raw::connect(&host.socket());
    let global: ZwpLinuxDmabufV1 = raw.bind(5);
    let window = raw.window().unwrap();
    let params = dmabuf::params(&mut raw, &global, planes, LINEAR);
    let size = (WIDTH as i32, HEIGHT as i32);
    let buffer = dmabuf::create(&mut raw, &params, size, format, flags).unwrap().expect("a buffer");
    raw.present(&window.surface, &buffer).unwrap();
    host.screenshot()
}

fn check_rgb(make: fn(&[u8]) -> DmaBuf, name: &str) {
    let image = picture();
    let stride = WIDTH * 4 + 52;
    let xrgb = make(&rows(&image, stride, |p| (p | 0x7f00_0000).to_le_bytes().to_vec()));
    let planes = [(xrgb.fd(), 0, stride as u32)];
    assert_same(name, &show(&planes, fourcc(b"XR24"), Flags::empty()), &image);
}

#[test]
fn an_udmabuf_shows_to_the_last_bit() {
    require_devices!("/dev/udmabuf");
    check_rgb(udmabuf, "dmabuf-udmabuf");
}

#[test]
fn a_heap_buffer_shows_to_the_last_bit() {
    require_devices!("/dev/dma_heap/system");
    check_rgb(heap, "dmabuf-heap");
}

/// A window that covers the screen, and a way to commit pictures to it.
struct Window {
    raw: Raw,
    global: ZwpLinuxDmabufV1,
    surface: WlSurface,
}

impl Window {
    fn open(host: &Host) -> Self {
        let mut raw = Raw::connect(&host.socket());
        let global = raw.bind(5);
        let surface = raw.window().unwrap().surface;
        Self { raw, global, surface }
    }

    /// A buffer as large as the screen, filled with one colour.
    fn filled(&mut self, dmabuf: &DmaBuf, stride: u32, colour: u32) -> WlBuffer {
        let image = Image::filled(WIDTH, HEIGHT, colour);
        let bytes = rows(&image, stride as usize, |p| p.to_le_bytes().to_vec());
        dmabuf.map_mut().unwrap().write_at(0, &bytes).unwrap();
        let size = (WIDTH as i32, HEIGHT as i32, stride);
        dmabuf::buffer(&mut self.raw, &self.global, dmabuf, size, fourcc(b"XR24"))
    }

    /// Commits it without waiting for anything; returns the frame callback.
    fn commit(&mut self, buffer: &WlBuffer) -> WlCallback {
        self.surface.attach(Some(buffer), 0, 0);
        self.surface.damage(0, 0, i32::MAX, i32::MAX);
        let callback = self.surface.frame(&self.raw.qh(), ());
        // An earlier object had its number, and events.
        let number = callback.id().protocol_id();
        self.raw.events.log.retain(|event| event.object != number);
        self.surface.commit();
        self.raw.roundtrip().unwrap();
        callback
    }

    fn is_shown(&self, callback: &WlCallback) -> bool {
        !self.raw.of(callback).is_empty()
    }
}

/// A window that shows green, and has committed red that is not done, and green again behind it.
fn waiting(host: &Host) -> (Window, Fenced, [WlCallback; 2]) {
    let mut window = Window::open(host);
    let (mut fenced, pitch) = Fenced::new(WIDTH as u32, HEIGHT as u32);
    let slow = window.filled(&fenced.dmabuf, pitch, 0xff0000);
    let plain = udmabuf(&vec![0; pitch as usize * HEIGHT]);
    let first = window.filled(&plain, pitch, 0x00ff00);
    window.raw.present(&window.surface.clone(), &first).unwrap();
    fenced.attach();
    let callbacks = [window.commit(&slow), window.commit(&first)];
    (window, fenced, callbacks)
}

#[test]
fn a_commit_waits_for_the_fence_of_its_dmabuf() {
    require_devices!("/dev/udmabuf", "/dev/dri");
    let mut host = host();
    let (mut window, _fenced, callbacks) = waiting(&host);
    // Who has nothing to do with it is served.
    Raw::connect(&host.socket()).roundtrip().unwrap();
    window.raw.roundtrip().unwrap();
    assert!(!callbacks.iter().any(|c| window.is_shown(c)));
    assert_same("dmabuf-held", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0x00ff00));
}

#[test]
fn later_commits_wait_behind_the_dmabuf_that_is_not_done() {
    require_devices!("/dev/udmabuf", "/dev/dri");
    let mut host = host();
    let (mut window, mut fenced, callbacks) = waiting(&host);
    fenced.signal();
    window.raw.wait_for(&callbacks[1], 1).unwrap();
    assert!(window.is_shown(&callbacks[0]));
    assert_same("dmabuf-after", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0x00ff00));
}

#[test]
fn a_dmabuf_whose_fence_has_signalled_shows() {
    require_devices!("/dev/dri");
    let mut host = host();
    let mut window = Window::open(&host);
    let (mut fenced, pitch) = Fenced::new(WIDTH as u32, HEIGHT as u32);
    let buffer = window.filled(&fenced.dmabuf, pitch, 0xff0000);
    fenced.attach();
    let shown = window.commit(&buffer);
    assert!(!window.is_shown(&shown));
    fenced.signal();
    window.raw.wait_for(&shown, 1).unwrap();
    assert_same("dmabuf-signalled", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0xff0000));
}

#[test]
fn a_dmabuf_that_is_written_again_while_it_shows_holds_up_nobody() {
    require_devices!("/dev/dri");
    let mut host = host();
    let mut window = Window::open(&host);
    let (mut fenced, pitch) = Fenced::new(WIDTH as u32, HEIGHT as u32);
    let buffer = window.filled(&fenced.dmabuf, pitch, 0xff0000);
    window.raw.present(&window.surface.clone(), &buffer).unwrap();
    fenced.attach();
    // Drawn again, without a new commit of the buffer.
    window.surface.damage(0, 0, i32::MAX, i32::MAX);
    window.surface.commit();
    window.raw.roundtrip().unwrap();
    Raw::connect(&host.socket()).roundtrip().unwrap();
    fenced.signal();
    let again = window.commit(&buffer);
    window.raw.wait_for(&again, 1).unwrap();
    assert_same("dmabuf-written-again", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0xff0000));
}
