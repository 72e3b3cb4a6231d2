//! Clients that nobody here wrote, which hand over dma-bufs: what a camera (the kernel's test driver,
//! vivid) exports reaches the screen through GStreamer and through weston's example, and what OpenGL
//! drew through another. The pictures are looked at as closely as their sources allow.
//!
//! That a client used dma-bufs at all is read from its own log of the protocol, not only from the report.

#![allow(clippy::unwrap_used)]
#![deny(unsafe_code)]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::FlockOperation;
use serde_json::Value;
use support::{Host, Image, Process, assert_close, assert_same, eventually, require_programs};

/// Width and height of the output.
const SCREEN: (usize, usize) = (640, 480);
/// What shows where no window is.
const BACKGROUND: u32 = 0x20_242c;
/// Width and height of the camera's picture, the smallest that it has.
const CAMERA: (usize, usize) = (320, 180);

/// A camera of the vivid driver, for one test at a time, until it is dropped.
struct Camera {
    device: String,
    _lock: File,
}

impl Camera {
    /// Takes one, with nothing in its picture but eight colour bars, in a format of V4L2: the first puts all
    /// planes of a picture into one dma-buf, the second each into its own. `None`, with the reason said, where there
    /// is none: whatever else is a camera looks at the user.
    fn take(number: usize, format: &str) -> Option<Self> {
        let name = fs::read_to_string(format!("/sys/class/video4linux/video{number}/name"));
        if !name.unwrap_or_default().starts_with("vivid") {
            support::skip_dmabuf("there is no camera of the vivid driver");
            return None;
        }
        let device = format!("/dev/video{number}");
        let lock = File::open(&device).unwrap();
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        let (width, height) = CAMERA;
        let status = Command::new("v4l2-ctl")
            .args(["-d", &device, "-c", "osd_text_mode=2,test_pattern=0"])
            .arg(format!("--set-fmt-video=width={width},height={height},pixelformat={format}"))
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        Some(Self { device, _lock: lock })
    }
}

/// What vivid's bars are in memory: red, green and blue, and what it has for them in YUV (BT.601, the
/// limited range).
const BARS: [(u32, [u8; 3]); 8] = [
    (0xbf_bfbf, [179, 128, 128]),
    (0xbf_bf00, [160, 44, 141]),
    (0x00_bfbf, [130, 156, 44]),
    (0x00_bf00, [111, 72, 58]),
    (0xbf_00bf, [83, 183, 197]),
    (0xbf_0000, [64, 99, 211]),
    (0x00_00bf, [34, 211, 114]),
    (0x00_0000, [16, 128, 128]),
];

/// The camera's picture with colours for the bars.
fn bars(colour: impl Fn(u32, [u8; 3]) -> u32) -> Image {
    Image::from_fn(CAMERA.0, CAMERA.1, |x, _| {
        let (rgb, yuv) = BARS[x * BARS.len() / CAMERA.0];
        colour(rgb, yuv)
    })
}

/// BT.601, limited range, as its formulas say.
fn converted([y, cb, cr]: [u8; 3]) -> u32 {
    let y = (f64::from(y) - 16.0) * 255.0 / 219.0;
    let [cb, cr] = [cb, cr].map(|c| (f64::from(c) - 128.0) * 255.0 / 224.0);
    let channel = |value: f64| value.round().clamp(0.0, 255.0) as u32;
    let [r, g, b] = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(channel);
    r << 16 | g << 8 | b
}

/// The headless compositor with a report.
fn selkie() -> Host {
    let size = format!("{}x{}", SCREEN.0, SCREEN.1);
    // GStreamer's black background is a wl_shm buffer without seals.
    Host::selkie(&["--policy", "copy", "--size", &size, "--report", "report.jsonl"])
}

/// The lines of the report so far, of this event.
fn reported(host: &Host, event: &str) -> Vec<Value> {
    let text = fs::read_to_string(host.dir.file("report.jsonl")).unwrap();
    // The last line may be half of one.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// The frames so far that were of dma-bufs.
fn frames(host: &Host) -> Vec<Value> {
    let buffers = reported(host, "dmabuf").into_iter();
    let buffers: BTreeSet<u64> = buffers.map(|line| line["buffer"].as_u64().unwrap()).collect();
    let ours = |line: &Value| buffers.contains(&line["buffer"].as_u64().unwrap());
    reported(host, "frame").into_iter().filter(ours).collect()
}

/// Runs a client until so many frames of its dma-bufs were on the screen, and takes a picture, which
/// ends both.
fn shows(mut host: Host, mut client: Process, count: usize, name: &str) -> Image {
    eventually("frames of dma-bufs", || {
        host.process.assert_alive();
        client.assert_alive();
        let shown = frames(&host).len();
        if shown >= count {
            Ok(())
        } else {
            Err(format!("{shown} shown so far; the client says:\n{}", client.log()))
        }
    });
    let picture = host.screenshot();
    picture.save(&support::image::pictures().join(format!("{name}.png")));
    // Not all programs notice that their display is gone.
    client.kill();

    for frame in frames(&host) {
        assert_eq!(frame["path"], "composed", "{frame}");
    }
    let log = client.log();
    // "wl_surface@3.attach(wl_buffer@4278190080, 0, 0)": numbers that the compositor gave begin there.
    assert!(log.contains(".created(new id wl_buffer@4278190080)"), "{log}");
    assert!(log.contains(".attach(wl_buffer@4278190080, "), "{log}");
    picture
}

/// The one window on the screen: in the middle, with the background all around it.
#[track_caller]
fn window(screen: &Image, (width, height): (usize, usize)) -> Image {
    let at = ((SCREEN.0 - width) / 2, (SCREEN.1 - height) / 2);
    assert_eq!(screen.bounds(BACKGROUND), Some((at.0, at.1, width, height)));
    screen.crop(at.0, at.1, width, height)
}

#[test]
fn dmabuf_gstreamer_shows_a_camera() {
    require_programs!("gst-launch-1.0", "v4l2-ctl");
    // Its source for cameras sends dma-bufs only in formats that wl_shm has, too: no YUV.
    let Some(camera) = Camera::take(0, "XR24") else { return };
    let host = selkie();

    // It looks at each plugin that is installed, which takes longer than all else.
    let plugins = host.dir.file("plugins");
    fs::create_dir(&plugins).unwrap();
    let installed = Path::new("/usr/lib/x86_64-linux-gnu/gstreamer-1.0");
    for name in ["libgstcoreelements.so", "libgstvideo4linux2.so", "libgstwaylandsink.so"] {
        support::require!(installed.join(name).exists(), "GStreamer's {name} is not installed");
        std::os::unix::fs::symlink(installed.join(name), plugins.join(name)).unwrap();
    }
    let mut command = host.command("gst-launch-1.0");
    command.env("GST_PLUGIN_SYSTEM_PATH", &plugins).env("WAYLAND_DEBUG", "client");
    command.args(["v4l2src", &format!("device={}", camera.device), "io-mode=dmabuf"]);
    let (width, height) = CAMERA;
    let picture = format!("video/x-raw,format=BGRx,width={width},height={height}");
    command.args(["!", &picture]);
    command.args(["!", "waylandsink", "sync=false"]);
    let client = host.spawn(command);

    let name = "dmabuf-gstreamer";
    let screen = shows(host, client, 3, name);
    assert_same(name, &window(&screen, CAMERA), &bars(|rgb, _| rgb));
}

/// Shows the camera with weston's example, in a format as V4L2 calls it and as DRM does.
fn weston_v4l((number, v4l2): (usize, &str), drm: &str, expected: &Image, tolerance: u8) {
    require_programs!("weston-simple-dmabuf-v4l", "v4l2-ctl");
    let Some(camera) = Camera::take(number, v4l2) else { return };
    let host = selkie();
    let mut command = host.command("weston-simple-dmabuf-v4l");
    command.args(["-v", &camera.device, "-f", v4l2, "-d", drm]).env("WAYLAND_DEBUG", "client");
    let client = host.spawn(command);
    let name = format!("dmabuf-weston-v4l-{drm}");
    let screen = shows(host, client, 3, &name);
    assert_close(&name, &window(&screen, CAMERA), expected, tolerance);
}

#[test]
fn dmabuf_weston_simple_dmabuf_v4l_shows_a_camera_in_rgb() {
    weston_v4l((0, "XR24"), "XR24", &bars(|rgb, _| rgb), 0);
}

#[test]
fn dmabuf_weston_simple_dmabuf_v4l_shows_a_camera_in_yuyv() {
    weston_v4l((0, "YUYV"), "YUYV", &bars(|_, yuv| converted(yuv)), 1);
}

#[test]
fn dmabuf_weston_simple_dmabuf_v4l_shows_a_camera_in_nv12_of_two_dmabufs() {
    weston_v4l((1, "NM12"), "NV12", &bars(|_, yuv| converted(yuv)), 1);
}

/// The name of the card that a driver is behind, as in `/dev/dri`.
fn card(driver: &str) -> Option<String> {
    let cards = fs::read_dir("/sys/class/drm").into_iter().flatten().map(|entry| entry.unwrap());
    let names = cards.map(|card| card.file_name().into_string().unwrap());
    let is = |name: &String| {
        let bound = fs::read_link(format!("/sys/class/drm/{name}/device/driver"));
        Path::new("/dev/dri").join(name).exists() && bound.is_ok_and(|path| path.ends_with(driver))
    };
    names.filter(|name| name.starts_with("card")).find(is)
}

/// What both of weston's OpenGL examples draw: on black, a rectangle with a colour at each corner (top
/// left, top right, bottom left, bottom right) and all that is between them. Returns where it is.
#[track_caller]
fn rectangle(picture: &Image, corners: [u32; 4]) -> (usize, usize, usize, usize) {
    let (left, top, width, height) = picture.bounds(0).unwrap();
    let (right, bottom) = (left + width - 1, top + height - 1);
    let places = [(left, top), (right, top), (left, bottom), (right, bottom)];
    for ((x, y), wanted) in places.into_iter().zip(corners) {
        let found = picture.at(x, y);
        let channel = |colour: u32, shift: u32| colour >> shift & 0xff;
        let near = [0, 8, 16].iter().all(|s| channel(found, *s).abs_diff(channel(wanted, *s)) <= 4);
        assert!(near, "#{found:06x} at {x},{y}, not #{wanted:06x}");
    }
    (left, top, width, height)
}

const RED: u32 = 0xff_0000;
const GREEN: u32 = 0x00_ff00;
const BLUE: u32 = 0x00_00ff;
const YELLOW: u32 = 0xff_ff00;

#[test]
fn dmabuf_weston_simple_dmabuf_egl_shows_its_square_the_right_way_up() {
    require_programs!("weston-simple-dmabuf-egl");
    // By the driver of its bus: virtio_gpu, for which Mesa draws with the processor.
    let Some(card) = card("virtio-pci") else { return support::skip_dmabuf("there is no virtio_gpu card") };
    let host = selkie();
    let mut command = host.command("weston-simple-dmabuf-egl");
    command.args(["-d", &format!("/dev/dri/{card}")]).env("WAYLAND_DEBUG", "client");
    // With threads it would still be drawing when it commits, and there is no fence for those.
    command.env("LP_NUM_THREADS", "0");
    let client = host.spawn(command);
    let picture = window(&shows(host, client, 3, "dmabuf-weston-egl"), (256, 256));
    let (left, top, width, height) = rectangle(&picture, [GREEN, YELLOW, RED, BLUE]);
    assert_eq!((width, height), (128, 128));
    // It moves along the diagonal, from the lower left to the upper right.
    assert!((127..=129).contains(&(left + top)), "{left},{top}");
}

/// Runs a test of this file once more, in a mount namespace where cirrus is the only card. That one has no render
/// node; where there is one, the client below takes it, and Mesa without a GPU can make nothing there.
fn again_with_cirrus_only(test: &str) {
    let Some(card) = card("cirrus") else { return support::skip_dmabuf("there is no cirrus card") };
    let script = format!(
        "number=$(cat /sys/class/drm/{card}/dev) && mount -t tmpfs cards /dev/dri && \
         mknod /dev/dri/{card} c ${{number%:*}} ${{number#*:}} && exec \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(std::env::current_exe().unwrap());
    let status = command
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(CIRRUS_ONLY, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

const CIRRUS_ONLY: &str = "SELKIE_TEST_CIRRUS_ONLY";

// Mesa of Debian 12 makes no buffers with modifiers without a GPU, and so the client sends INVALID, which is not offered.
#[test]
#[ignore = "selkie offers LINEAR only, and the client sends INVALID all the same"]
fn dmabuf_weston_simple_dmabuf_feedback_finds_what_it_needs() {
    require_programs!("weston-simple-dmabuf-feedback");
    if std::env::var_os(CIRRUS_ONLY).is_none() {
        return again_with_cirrus_only("dmabuf_weston_simple_dmabuf_feedback_finds_what_it_needs");
    }
    let host = selkie();
    let mut command = host.command("weston-simple-dmabuf-feedback");
    command.env("WAYLAND_DEBUG", "client").env("LP_NUM_THREADS", "0");
    let client = host.spawn(command);
    // It ends by itself after three seconds.
    let picture = shows(host, client, 1, "dmabuf-weston-feedback");
    let (width, height) = SCREEN;
    let found = rectangle(&picture, [RED, BLUE, GREEN, YELLOW]);
    assert_eq!(found, (width / 4, height / 4, width / 2, height / 2));
}
