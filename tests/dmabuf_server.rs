//! Pictures in dma-bufs on selkie's headless screen, compared pixel by pixel with what was put into them.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::Flags;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dmabuf::DmaBuf;
use support::dmabuf::{self, LINEAR, Plane, fourcc, heap, udmabuf};
use support::raw::Raw;
use support::{Host, Image, assert_same, require_devices};

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
