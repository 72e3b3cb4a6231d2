//! Pictures in dma-bufs on selkie's headless screen, compared pixel by pixel with what was put into them.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use selkie_protocols::ledger::client::selkie_buffer_record_v1 as record;
use selkie_protocols::ledger::client::selkie_ledger_manager_v1::SelkieLedgerManagerV1;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dmabuf::DmaBuf;
use support::dmabuf::{self, Fenced, IMPLICIT, LINEAR, Plane, fourcc, heap, udmabuf};
use support::raw::Raw;
use support::{Host, Image, assert_close, assert_same, require_devices, require_fences};
use wayland_client::Proxy;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::WlCallback;
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::protocol::wl_surface::WlSurface;

const WIDTH: usize = 67;
const HEIGHT: usize = 41;

/// A screen of the size of the window that these tests show.
fn host() -> Host {
    Host::selkie(&["--size", &format!("{WIDTH}x{HEIGHT}"), "--refresh", "0"])
}

fn picture() -> Image {
    dmabuf::picture(WIDTH, HEIGHT, 0)
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
    require_fences!();
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
    require_fences!();
    let mut host = host();
    let (mut window, mut fenced, callbacks) = waiting(&host);
    fenced.signal();
    window.raw.wait_for(&callbacks[1], 1).unwrap();
    assert!(window.is_shown(&callbacks[0]));
    assert_same("dmabuf-after", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0x00ff00));
}

#[test]
fn a_dmabuf_whose_fence_has_signalled_shows() {
    require_fences!();
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
    require_fences!();
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

/// A green window with a synchronised subsurface, whose red picture is not done when both have been committed.
fn family(host: &Host) -> (Window, WlSurface, Fenced, [WlCallback; 2]) {
    let mut window = Window::open(host);
    let compositor: WlCompositor = window.raw.bind(6);
    let subcompositor: WlSubcompositor = window.raw.bind(1);
    let child = compositor.create_surface(&window.raw.qh(), ());
    subcompositor.get_subsurface(&child, &window.surface, &window.raw.qh(), ());
    let (mut fenced, pitch) = Fenced::new(WIDTH as u32, HEIGHT as u32);
    let red = window.filled(&fenced.dmabuf, pitch, 0xff0000);
    let plain = udmabuf(&vec![0; pitch as usize * HEIGHT]);
    let green = window.filled(&plain, pitch, 0x00ff00);
    fenced.attach();
    child.attach(Some(&red), 0, 0);
    child.damage(0, 0, i32::MAX, i32::MAX);
    let of_child = child.frame(&window.raw.qh(), ());
    child.commit();
    let number = of_child.id().protocol_id();
    window.raw.events.log.retain(|event| event.object != number);
    let callbacks = [window.commit(&green), of_child];
    assert!(!callbacks.iter().any(|c| window.is_shown(c)));
    (window, child, fenced, callbacks)
}

#[test]
fn a_window_waits_for_the_dmabuf_of_its_subsurface() {
    require_fences!();
    let mut host = host();
    let (mut window, _child, mut fenced, [covered, shown]) = family(&host);
    fenced.signal();
    window.raw.wait_for(&shown, 1).unwrap();
    // The window was never to be seen alone.
    assert!(!window.is_shown(&covered));
    assert_same("dmabuf-family", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0xff0000));
}

#[test]
fn a_subsurface_that_is_gone_holds_up_its_window_with_no_dmabuf() {
    require_fences!();
    let mut host = host();
    let (mut window, child, _fenced, [callback, _]) = family(&host);
    child.destroy();
    window.raw.wait_for(&callback, 1).unwrap();
    assert_same("dmabuf-orphaned", &host.screenshot(), &Image::filled(WIDTH, HEIGHT, 0x00ff00));
}

/// What a screen shows of a channel that was stored with so many bits: the bits repeated.
fn widened(value: u32, bits: u32) -> u32 {
    let value = value >> (8 - bits);
    value << (8 - bits) | value >> (2 * bits - 8)
}

#[test]
fn every_order_and_depth_of_dmabuf_pixels_shows() {
    require_devices!("/dev/udmabuf");
    let image = picture();
    let channels = |p: u32| (p >> 16 & 0xff, p >> 8 & 0xff, p & 0xff);
    let le = |v: u32| v.to_le_bytes().to_vec();
    let short = |p: u32| {
        let (r, g, b) = channels(p);
        Image::from_fn(1, 1, |_, _| widened(r, 5) << 16 | widened(g, 6) << 8 | widened(b, 5)).pixels[0]
    };
    type Store = Box<dyn Fn(u32) -> Vec<u8>>;
    let formats: [(&[u8; 4], usize, Store); 6] = [
        (b"AR24", 4, Box::new(move |p| le(p | 0xff00_0000))),
        (b"XB24", 4, Box::new(move |p| le(channels(p).2 << 16 | channels(p).1 << 8 | channels(p).0))),
        (b"RX24", 4, Box::new(move |p| le(p << 8))),
        (b"BX24", 4, Box::new(move |p| le((p << 8).swap_bytes() << 8))),
        (
            b"RG16",
            2,
            Box::new(move |p| {
                let (r, g, b) = channels(p);
                ((r >> 3 << 11 | g >> 2 << 5 | b >> 3) as u16).to_le_bytes().to_vec()
            }),
        ),
        (
            b"XR30",
            4,
            Box::new(move |p| {
                let (r, g, b) = channels(p);
                let ten = |v: u32| v << 2 | v >> 6;
                le(ten(r) << 20 | ten(g) << 10 | ten(b))
            }),
        ),
    ];
    for (name, bytes, store) in formats {
        let stride = WIDTH * bytes + 2 * bytes;
        let memory = udmabuf(&rows(&image, stride, store));
        let shown = show(&[(memory.fd(), 0, stride as u32)], fourcc(name), Flags::empty());
        let expected = if bytes == 2 {
            Image::from_fn(WIDTH, HEIGHT, |x, y| short(image.at(x, y)))
        } else {
            image.clone()
        };
        assert_same(&format!("dmabuf-{}", String::from_utf8_lossy(name)), &shown, &expected);
    }
}

#[test]
fn a_dmabuf_that_is_upside_down_is_turned() {
    require_devices!("/dev/udmabuf");
    let image = picture();
    let upside_down = Image::from_fn(WIDTH, HEIGHT, |x, y| image.at(x, HEIGHT - 1 - y));
    let memory = udmabuf(&rows(&upside_down, WIDTH * 4, |p| p.to_le_bytes().to_vec()));
    let shown = show(&[(memory.fd(), 0, WIDTH as u32 * 4)], fourcc(b"XR24"), Flags::YInvert);
    assert_same("dmabuf-y-invert", &shown, &image);
}

/// Luma of a pixel, and chroma of a block of 2x2 (or 2x1) of them, in 10 bits.
fn luma(x: usize, y: usize) -> u16 {
    (64 + (x * 13 + y * 7) % 877) as u16
}

fn chroma(x: usize, y: usize) -> (u16, u16) {
    ((64 + x * 25 % 897) as u16, (64 + (y * 41 + x) % 897) as u16)
}

/// BT.601 with the narrow range, as the recommendation has it.
fn rgb(y: f64, u: f64, v: f64) -> u32 {
    let (y, pb, pr) = ((y - 16.0) / 219.0, (u - 128.0) / 224.0, (v - 128.0) / 224.0);
    let (r, b) = (y + 1.402 * pr, y + 1.772 * pb);
    let g = (y - 0.299 * r - 0.114 * b) / 0.587;
    let channel = |c: f64| (c * 255.0).clamp(0.0, 255.0).round() as u32;
    channel(r) << 16 | channel(g) << 8 | channel(b)
}

/// The picture that the planes below are of; `unit` is what 10 bits were cut to.
fn expected(unit: u16, down: usize) -> Image {
    Image::from_fn(WIDTH, HEIGHT, |x, y| {
        let eight = |v: u16| f64::from(v / unit) * f64::from(unit) / 4.0;
        let (u, v) = chroma(x / 2, y / down);
        rgb(eight(luma(x, y)), eight(u), eight(v))
    })
}

/// Samples of a plane, row by row.
fn plane(width: usize, height: usize, stride: usize, sample: impl Fn(usize, usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for y in 0..height {
        let from = bytes.len();
        (0..width).for_each(|x| bytes.extend(sample(x, y)));
        assert!(bytes.len() - from <= stride);
        bytes.resize(from + stride, 0xa5);
    }
    bytes
}

const HALF: (usize, usize) = (WIDTH.div_ceil(2), HEIGHT.div_ceil(2));
const STRIDE: usize = 144;

/// All planes in one dma-buf, each sent with a descriptor of its own, as GStreamer does.
fn check_yuv(name: &[u8; 4], make: fn(&[u8]) -> DmaBuf, planes: &[(Vec<u8>, usize)], expected: &Image) {
    let memory = make(&planes.iter().flat_map(|(bytes, _)| bytes).copied().collect::<Vec<u8>>());
    let fds: Vec<_> = planes.iter().map(|_| memory.try_clone().unwrap()).collect();
    let mut offset = 0;
    let mut sent: Vec<Plane<'_>> = Vec::new();
    for ((bytes, stride), fd) in planes.iter().zip(&fds) {
        sent.push((fd.fd(), offset, *stride as u32));
        offset += bytes.len() as u32;
    }
    let shown = show(&sent, fourcc(name), Flags::empty());
    assert_close(&format!("dmabuf-{}", String::from_utf8_lossy(name)), &shown, expected, 1);
}

fn eight(v: u16) -> u8 {
    (v >> 2) as u8
}

fn ten(v: u16) -> [u8; 2] {
    (v << 6).to_le_bytes()
}

#[test]
fn nv12_dmabufs_show_within_one() {
    require_devices!("/dev/udmabuf", "/dev/dma_heap/system");
    let y = plane(WIDTH, HEIGHT, STRIDE, |x, y| vec![eight(luma(x, y))]);
    let uv = plane(HALF.0, HALF.1, STRIDE, |x, y| vec![eight(chroma(x, y).0), eight(chroma(x, y).1)]);
    let planes = [(y, STRIDE), (uv, STRIDE)];
    check_yuv(b"NV12", udmabuf, &planes, &expected(4, 2));
    check_yuv(b"NV12", heap, &planes, &expected(4, 2));
}

#[test]
fn p010_dmabufs_show_within_one() {
    require_devices!("/dev/udmabuf");
    let y = plane(WIDTH, HEIGHT, STRIDE, |x, y| ten(luma(x, y)).to_vec());
    let uv = plane(HALF.0, HALF.1, STRIDE, |x, y| [ten(chroma(x, y).0), ten(chroma(x, y).1)].concat());
    check_yuv(b"P010", udmabuf, &[(y, STRIDE), (uv, STRIDE)], &expected(1, 2));
}

#[test]
fn yuv420_dmabufs_show_within_one() {
    require_devices!("/dev/udmabuf");
    let y = plane(WIDTH, HEIGHT, STRIDE, |x, y| vec![eight(luma(x, y))]);
    let u = plane(HALF.0, HALF.1, HALF.0, |x, y| vec![eight(chroma(x, y).0)]);
    let v = plane(HALF.0, HALF.1, STRIDE, |x, y| vec![eight(chroma(x, y).1)]);
    check_yuv(b"YU12", udmabuf, &[(y, STRIDE), (u, HALF.0), (v, STRIDE)], &expected(4, 2));
}

#[test]
fn yuyv_dmabufs_show_within_one() {
    require_devices!("/dev/udmabuf");
    let packed = plane(HALF.0, HEIGHT, STRIDE, |x, y| {
        let (u, v) = chroma(x, y);
        [luma(2 * x, y), u, luma(2 * x + 1, y), v].map(eight).to_vec()
    });
    check_yuv(b"YUYV", udmabuf, &[(packed, STRIDE)], &expected(4, 1));
}

#[test]
fn clients_of_every_age_show_dmabufs() {
    require_devices!("/dev/udmabuf");
    for (version, modifier) in [(1, LINEAR), (2, IMPLICIT), (3, LINEAR), (3, IMPLICIT), (4, LINEAR)] {
        let mut host = host();
        let mut raw = Raw::connect(&host.socket());
        let global: ZwpLinuxDmabufV1 = raw.bind(version);
        let window = raw.window().unwrap();
        let image = picture();
        let memory = udmabuf(&rows(&image, WIDTH * 4, |p| p.to_le_bytes().to_vec()));
        let planes = [(memory.fd(), 0, WIDTH as u32 * 4)];
        let params = dmabuf::params(&mut raw, &global, &planes, modifier);
        let size = (WIDTH as i32, HEIGHT as i32);
        let buffer = dmabuf::create(&mut raw, &params, size, fourcc(b"XR24"), Flags::empty()).unwrap();
        raw.present(&window.surface, &buffer.expect("a buffer")).unwrap();
        assert_same("dmabuf-versions", &host.screenshot(), &image);
    }
}

#[test]
fn the_ledger_tells_what_a_dmabuf_is() {
    require_devices!("/dev/udmabuf");
    let dir = support::RuntimeDir::new();
    let file = dir.file("report.jsonl");
    let size = format!("{WIDTH}x{HEIGHT}");
    let mut host = Host::selkie(&["--size", &size, "--refresh", "0", "--report", file.to_str().unwrap()]);
    let mut window = Window::open(&host);
    let stride = WIDTH as u32 * 4;
    let memory = udmabuf(&vec![0; WIDTH * HEIGHT * 4]);
    let buffer = window.filled(&memory, stride, 0x123456);
    window.raw.present(&window.surface.clone(), &buffer).unwrap();
    let ledger: SelkieLedgerManagerV1 = window.raw.bind(1);
    let record = ledger.get_record(&buffer, &window.raw.qh(), ());
    window.raw.roundtrip().unwrap();
    let bytes = (WIDTH * HEIGHT * 4) as u32;
    let told: Vec<&record::Event> = window.raw.of(&record);
    let kind = "dma-buf (udmabuf), XR24, linear";
    assert!(
        told.iter().any(|e| matches!(e, record::Event::Memory { kind: k, size_lo: 12288, .. } if k == kind)),
        "{told:?}"
    );
    assert!(
        told.iter().any(|e| matches!(e, record::Event::BytesCopied { lo, .. } if *lo == bytes)),
        "{told:?}"
    );
    host.screenshot();
    let report = std::fs::read_to_string(&file).unwrap();
    let line = report.lines().find(|l| l.contains("\"dmabuf\"")).expect("a line for the buffer");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for (key, value) in
        [("kind", "dma-buf"), ("exporter", "udmabuf"), ("fourcc", "XR24"), ("modifier", "linear")]
    {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(line["size"], 12288);
    assert_eq!(line["planes"], serde_json::json!([{ "offset": 0, "stride": stride }]));
}
