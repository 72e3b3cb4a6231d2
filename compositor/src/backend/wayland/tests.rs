//! Against a weston that nobody here wrote, headless, where it is installed.
#![allow(unsafe_code)]

mod mock;

use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use calloop::EventLoop;

use super::*;
use crate::geometry::{Rect, extents};
use crate::render::Target;

const PATIENCE: Duration = Duration::from_secs(20);
const BACKGROUND: u32 = 0x20_4060;
const SIZE: Size = Size::new(200, 150);

struct Weston {
    child: Child,
    dir: tempfile::TempDir,
}

impl Weston {
    /// `None`, and says so, where there is no weston.
    fn start(test: &str, scale: i32) -> Option<Self> {
        let installed = Command::new("weston").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !installed {
            assert!(
                std::env::var_os("SELKIE_REQUIRE_HOSTS").is_none_or(|v| v != "1"),
                "weston is not installed"
            );
            eprintln!("{test}: skipped, because weston is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("weston.ini");
        let text = "[shell]\npanel-position=none\nbackground-color=0xff204060\nanimation=none\n\
                    startup-animation=none\nclose-animation=none\nlocking=false\n";
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("weston");
        command
            .args(["--backend=headless-backend.so", "--use-pixman", "--width=640", "--height=480"])
            .args(["--socket=host", "--idle-time=0", "--debug"])
            .arg(format!("--config={}", config.display()))
            .arg(format!("--scale={scale}"))
            .env("XDG_RUNTIME_DIR", dir.path())
            .env_remove("WAYLAND_DISPLAY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own helpers end with it.
            .process_group(0);
        let child = command.spawn().unwrap();
        let weston = Self { child, dir };
        // It has no other way to say that it is ready.
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(weston.socket()).is_err() {
            assert!(Instant::now() < deadline, "weston made no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        // It never shows windows that came before its shell, which shows when its background does.
        while !weston.screenshot().1.contains(&BACKGROUND) {
            assert!(Instant::now() < deadline, "weston's shell did not start");
        }
        Some(weston)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("host")
    }

    /// What is on its screen: width, and XRGB pixels.
    fn screenshot(&self) -> (usize, Vec<u32>) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("weston-screenshooter");
        command.env("XDG_RUNTIME_DIR", self.dir.path()).env("WAYLAND_DISPLAY", "host");
        command.env_remove("XDG_PICTURES_DIR").current_dir(&dir).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        let file = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
        decode(&file)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Weston {
    fn drop(&mut self) {
        self.kill();
    }
}

fn decode(file: &Path) -> (usize, Vec<u32>) {
    let file = std::io::BufReader::new(std::fs::File::open(file).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let samples = info.color_type.samples();
    let pixels = bytes.chunks_exact(samples).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]]));
    (info.width as usize, pixels.collect())
}

/// A loop whose data holds a host, as the compositor's does.
struct Nested {
    host: Option<Host>,
    events: Vec<HostEvent>,
}

struct Fixture {
    event_loop: EventLoop<'static, Nested>,
    nested: Nested,
}

impl Fixture {
    fn new(weston: &Weston) -> Self {
        Self::connect(&weston.socket())
    }

    fn connect(socket: &Path) -> Self {
        let host = Host::connect(Some(socket.as_os_str()), SIZE, crate::config::Import::Auto).unwrap();
        let event_loop = EventLoop::try_new().unwrap();
        host.insert(&event_loop.handle(), |n: &mut Nested| n.host.as_mut(), |n, e| n.events.push(e)).unwrap();
        let mut nested = Nested { host: Some(host), events: Vec::new() };
        nested.events.extend(nested.host.as_mut().unwrap().take_events());
        Self { event_loop, nested }
    }

    fn host(&mut self) -> &mut Host {
        self.nested.host.as_mut().unwrap()
    }

    /// Runs the loop until an event came for which `wanted` has something.
    fn wait<T>(&mut self, what: &str, wanted: impl Fn(&HostEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.nested.events.iter().position(|e| wanted(e).is_some()) {
                return wanted(&self.nested.events.remove(at)).unwrap();
            }
            assert!(Instant::now() < deadline, "no {what}, but {:?}", self.nested.events);
            self.host().flush();
            self.event_loop.dispatch(Duration::from_millis(100), &mut self.nested).unwrap();
        }
    }

    /// Fills `damage` with `color` and presents it; returns what had to be redrawn, and when it was shown.
    fn show(&mut self, damage: Rect, color: u32) -> (Vec<Rect>, super::event::PresentedAt) {
        let damage = damage.to_region();
        let drawing = self.host().acquire(&damage).unwrap().unwrap();
        let Target { ptr, stride, .. } = drawing.target;
        let redraw: Vec<Rect> = drawing.redraw.rectangles().iter().map(Rect::from).collect();
        for r in &redraw {
            for (y, x) in (r.y..r.bottom()).flat_map(|y| (r.x..r.right()).map(move |x| (y, x))) {
                let offset = y as usize * stride + x as usize * 4;
                // weston's screenshots take the fourth byte, which means nothing, for alpha.
                // SAFETY: within the target, whose rows begin at multiples of four bytes.
                unsafe { ptr.add(offset).cast::<u32>().write(0xff00_0000 | color) };
            }
        }
        let frame = self.host().show_window(&damage, true);
        self.host().finish(&Scene::default(), true, false);
        assert!(!self.host().may_draw());
        let presented = self.wait("presentation", |e| match e {
            HostEvent::Presented(p) if p.frame == frame => Some(*p),
            _ => None,
        });
        self.wait("frame callback", |e| matches!(e, HostEvent::FrameDone).then_some(()));
        assert!(self.host().may_draw());
        (redraw, presented)
    }
}

#[test]
fn a_frame_is_shown_and_the_next_redraws_what_changed_since() {
    let Some(weston) = Weston::start("a_frame_is_shown", 1) else { return };
    let mut fixture = Fixture::new(&weston);
    let screen = fixture.host().screen();
    assert_eq!((screen.size, screen.scale), (SIZE, 1));
    assert!(screen.refresh_mhz > 0);
    assert!(fixture.host().is_ready() && fixture.host().has_presentation());
    // weston's pixman renderer counts by CLOCK_MONOTONIC or CLOCK_MONOTONIC_RAW.
    assert!(matches!(fixture.host().clock_id(), Some(1 | 4)));

    let all = Rect::of_size(SIZE);
    let (redraw, first) = fixture.show(all, 0x12_3456);
    assert_eq!(redraw, [all]);
    let (width, pixels) = weston.screenshot();
    let count = |pixels: &[u32], color| pixels.iter().filter(|p| **p == color).count();
    assert_eq!(count(&pixels, 0x12_3456), 200 * 150);
    let at = pixels.iter().position(|p| *p == 0x12_3456).unwrap();
    assert!(pixels[at + 149 * width..][..200].iter().all(|p| *p == 0x12_3456));

    // The host may keep the first buffer until it has the second: that one is drawn whole. From
    // then on a buffer misses at most the last changes.
    let small = Rect::new(5, 7, 10, 10);
    let mut seen = vec![all];
    for (i, color) in [0xff_0000, 0x00_ff00, 0x00_00ff].into_iter().enumerate() {
        let damage = Rect { x: small.x + 20 * i as i32, ..small };
        seen.push(damage);
        let (redraw, presented) = fixture.show(damage, color);
        assert!(presented.ns > first.ns);
        assert!(redraw == [all] || redraw.iter().all(|r| seen.contains(r)), "{redraw:?}");
    }
    let (width, pixels) = weston.screenshot();
    assert_eq!(pixels[at + 7 * width + 45], 0x00_00ff);
}

#[test]
fn on_a_screen_of_scale_two_a_window_has_four_times_the_pixels() {
    let Some(weston) = Weston::start("scale_two", 2) else { return };
    let mut fixture = Fixture::new(&weston);
    // Older hosts say the scale when the window is shown, so there may be a first frame without.
    if fixture.host().screen().scale == 1 {
        fixture.show(Rect::of_size(SIZE), 0x11_1111);
        fixture.wait("scale", |e| match e {
            HostEvent::Configured(s) => (s.scale == 2).then_some(()),
            _ => None,
        });
    }
    let doubled = Size::new(400, 300);
    assert_eq!(fixture.host().screen().size, doubled);
    let (redraw, _) = fixture.show(Rect::of_size(doubled), 0xab_cdef);
    assert_eq!(redraw, [Rect::of_size(doubled)]);
    let (_, pixels) = weston.screenshot();
    assert_eq!(pixels.iter().filter(|p| **p == 0xab_cdef).count(), 400 * 300);
}

#[test]
fn a_tick_brings_a_frame_callback_and_no_new_picture() {
    let Some(weston) = Weston::start("a_tick", 1) else { return };
    let mut fixture = Fixture::new(&weston);
    fixture.show(Rect::of_size(SIZE), 0x11_1111);
    fixture.host().finish(&Scene::default(), false, true);
    fixture.wait("frame callback", |e| matches!(e, HostEvent::FrameDone).then_some(()));
}

#[test]
fn a_host_that_is_gone_is_an_event_and_the_last() {
    let Some(mut weston) = Weston::start("a_host_that_is_gone", 1) else { return };
    let mut fixture = Fixture::new(&weston);
    fixture.show(Rect::of_size(SIZE), 0x11_1111);
    weston.kill();
    fixture.nested.events.clear();
    let said = fixture.wait("end", |e| match e {
        HostEvent::Lost(e) => Some(e.to_string()),
        _ => None,
    });
    assert_eq!(said, "the host compositor is gone");
    assert!(!fixture.host().is_ready());
    // Nothing listens any more, and nothing panics.
    fixture.event_loop.dispatch(Duration::ZERO, &mut fixture.nested).unwrap();
    fixture.host().finish(&Scene::default(), false, true);
    fixture.host().flush();
    fixture.event_loop.dispatch(Duration::ZERO, &mut fixture.nested).unwrap();
    assert!(fixture.nested.events.is_empty());
}

#[test]
fn a_host_that_is_not_there_is_a_sentence() {
    let error =
        Host::connect(Some("/nowhere/wayland-0".as_ref()), SIZE, crate::config::Import::Auto).err().unwrap();
    assert_eq!(
        error.to_string(),
        "cannot reach the compositor at /nowhere/wayland-0: is it running? (--backend headless needs none)"
    );
    let error = Host::connect(Some("".as_ref()), SIZE, crate::config::Import::Auto).err().unwrap();
    assert!(matches!(error, HostError::NoDisplay));
}

#[test]
fn the_hosts_input_and_sizes_arrive_as_they_were_sent() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("mock");
    let mock = mock::Mock::start(UnixListener::bind(&socket).unwrap());
    let mut fixture = Fixture::connect(&socket);
    let screen = Screen { size: Size::new(400, 300), scale: 2, refresh_mhz: 0 };
    assert_eq!(fixture.host().screen(), screen);
    assert!(!fixture.host().has_presentation());
    assert_eq!(fixture.host().clock_id(), None);
    fixture.wait("keymap", |e| match e {
        HostEvent::Keyboard(Keyboard::Keymap { fd, size, .. }) => {
            let mut text = vec![0; *size as usize];
            std::fs::File::from(fd.try_clone().unwrap()).read_exact_at(&mut text, 0).unwrap();
            assert_eq!(text, mock::KEYMAP);
            Some(())
        }
        _ => None,
    });
    fixture.host().acquire(&Region::default()).unwrap().unwrap();
    fixture.host().show_window(&Rect::of_size(screen.size).to_region(), false);
    fixture.host().finish(&Scene::default(), true, false);
    let deadline = Instant::now() + PATIENCE;
    while !fixture.nested.events.iter().any(|e| matches!(e, HostEvent::Closed)) {
        assert!(Instant::now() < deadline, "{:?}", fixture.nested.events);
        fixture.host().flush();
        fixture.event_loop.dispatch(Duration::from_millis(100), &mut fixture.nested).unwrap();
    }
    let said: Vec<String> = fixture.nested.events.iter().map(|e| format!("{e:?}")).collect();
    let expected = [
        "Configured(Screen { size: Size { w: 400, h: 300 }, scale: 2, refresh_mhz: 0 })",
        "Keyboard(RepeatInfo { rate: 25, delay: 600 })",
        "Pointer(Enter { x: 21.0, y: 40.5 })",
        "Pointer(Frame)",
        "Pointer(Motion { time: 1000, x: 22.0, y: 42.0 })",
        "Pointer(Frame)",
        "Pointer(Button { time: 1001, button: 272, pressed: true })",
        "Pointer(Frame)",
        "Pointer(AxisSource(Wheel))",
        "Pointer(AxisValue120 { axis: VerticalScroll, value120: -30 })",
        "Pointer(AxisRelativeDirection { axis: VerticalScroll, direction: Inverted })",
        "Pointer(Axis { time: 1002, axis: VerticalScroll, value: -3.75 })",
        "Pointer(AxisStop { time: 1003, axis: HorizontalScroll })",
        "Pointer(Frame)",
        "Pointer(Leave)",
        "Pointer(Frame)",
        "Keyboard(Enter { keys: [30, 42] })",
        "Keyboard(Modifiers { depressed: 1, latched: 2, locked: 3, group: 4 })",
        "Keyboard(Key { time: 1004, key: 30, pressed: false })",
        "Keyboard(Leave)",
        "Configured(Screen { size: Size { w: 100, h: 80 }, scale: 2, refresh_mhz: 0 })",
        "Closed",
    ];
    assert_eq!(said, expected);
    // The old size's buffer is still the host's, so the new one lies elsewhere, and is drawn whole.
    let drawing = fixture.host().acquire(&Region::default()).unwrap().unwrap();
    assert_eq!(drawing.target.size, Size::new(100, 80));
    assert_eq!(extents(&drawing.redraw), Rect::new(0, 0, 100, 80));
    drop(fixture);
    let mock = mock.join().unwrap();
    assert_eq!(mock.titles, ["selkie", "selkie"]);
    assert_eq!((mock.pongs, mock.buffer_scale, mock.hidden), (vec![77], 2, vec![7]));
}
