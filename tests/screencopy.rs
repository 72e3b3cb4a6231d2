//! Pictures that clients take of the output (`zwlr_screencopy_manager_v1`): what grim gets, and what a client gets that says
//! anything in any order, with memory of any kind.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, SealFlags};
use selkie_client::{Config, Pattern, Size};
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation_feedback::Event as Presented;
use selkie_protocols::upstream::xdg::xdg_output::zv1::client::zxdg_output_manager_v1::ZxdgOutputManagerV1;
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_frame_v1::{
    self, Event as Told, ZwlrScreencopyFrameV1,
};
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1;
use shm_core::verdict::{Kind, examine};
use support::raw::{Ended, Events, Raw, memfd};
use support::report::Path;
use support::{Artist, Host, Image, assert_same, require_programs};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_output::WlOutput;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Proxy, WEnum};

/// grim's memory is a file in /dev/shm, which cannot be sealed.
const FOR_GRIM: [&str; 3] = ["--screencopy", "--policy-for", "grim=copy"];

/// What grim makes of a compositor.
fn grim(host: &Host, args: &[&str]) -> Image {
    let file = host.dir.file("grim.png");
    let mut command = host.command("grim");
    command.args(args).arg(&file);
    let mut process = host.spawn(command);
    let status = process.wait();
    assert!(status.success(), "{status}:\n{}", process.log());
    Image::load(&file).unwrap()
}

fn picture() -> Config {
    Config { pattern: Pattern::Plasma, frames: Some(3), size: Size::new(303, 201), ..Config::default() }
}

#[test]
fn grim_gets_what_the_headless_screen_shows() {
    require_programs!("grim");
    let mut args = vec!["--size", "641x479", "--refresh", "0"];
    args.extend(FOR_GRIM);
    let mut host = Host::selkie(&args);
    let _shown = host.show(&picture());
    let (whole, part) = (grim(&host, &[]), grim(&host, &["-g", "170,140 99x50"]));
    let named = grim(&host, &["-o", "SELKIE-1"]);
    let expected = host.screenshot();
    assert!(expected.colours() > 100);
    assert_same("grim-headless", &whole, &expected);
    assert_same("grim-part", &part, &expected.crop(170, 140, 99, 50));
    assert_same("grim-named", &named, &expected);
}

#[test]
fn grim_gets_what_a_nested_screen_shows() {
    require_programs!("grim");
    for path in [&[][..], &["--compose"]] {
        let outer = Host::selkie(&["--size", "800x600", "--refresh", "0"]);
        let capture = outer.dir.file("nested.png");
        let mut args = vec!["--size", "641x479", "--capture", capture.to_str().unwrap()];
        args.extend(FOR_GRIM);
        args.extend(path);
        let mut host = outer.selkie_inside(&args);
        let shown = host.show(&picture());
        let (whole, part) = (grim(&host, &[]), grim(&host, &["-g", "170,140 99x50"]));
        assert!(host.terminate().success());
        drop(shown);
        let expected = Image::load(&capture).unwrap();
        assert!(expected.colours() > 100);
        assert_same("grim-nested", &whole, &expected);
        assert_same("grim-nested-part", &part, &expected.crop(170, 140, 99, 50));
    }
}

#[test]
fn without_the_option_nobody_takes_pictures() {
    let host = Host::selkie(&["--size", "64x64"]);
    let raw = support::raw::Raw::connect(&host.socket());
    assert_eq!(raw.offered("zwlr_screencopy_manager_v1"), None);
    assert_eq!(raw.offered("zxdg_output_manager_v1"), Some(3));
}

/// The screen of those tests that count pixels.
const WIDTH: i32 = 96;
const HEIGHT: i32 = 80;
/// Bytes of a picture of all of it.
const BYTES: i32 = WIDTH * HEIGHT * 4;
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::SEAL);

fn screen(args: &[&str]) -> Host {
    let mut all = vec!["--size", "96x80", "--refresh", "0", "--screencopy"];
    all.extend(args);
    Host::selkie(&all)
}

/// A client that takes pictures into a pool with room for two.
struct Taker {
    raw: Raw,
    manager: ZwlrScreencopyManagerV1,
    output: WlOutput,
    memory: OwnedFd,
    pool: WlShmPool,
}

impl Taker {
    fn connect(host: &Host) -> Self {
        Self::with(host, 3, memfd(BYTES as u64 * 2, Some(SEALS)))
    }

    fn with(host: &Host, version: u32, memory: OwnedFd) -> Self {
        let mut raw = Raw::connect(&host.socket());
        let shm: WlShm = raw.bind(1);
        let pool = raw.pool(&shm, memory.as_fd(), BYTES * 2);
        let (manager, output) = (raw.bind(version), raw.bind(4));
        Self { raw, manager, output, memory, pool }
    }

    /// A frame of all of the output.
    fn frame(&mut self) -> ZwlrScreencopyFrameV1 {
        let frame = self.manager.capture_output(0, &self.output, &self.raw.qh(), ());
        self.raw.note(frame)
    }

    /// A frame of a part of it.
    fn part(&mut self, (x, y, w, h): (i32, i32, i32, i32)) -> ZwlrScreencopyFrameV1 {
        let frame = self.manager.capture_output_region(0, &self.output, x, y, w, h, &self.raw.qh(), ());
        self.raw.note(frame)
    }

    /// A buffer as it was offered for so many pixels.
    fn buffer(&mut self, width: i32, height: i32) -> WlBuffer {
        let pool = self.pool.clone();
        self.raw.buffer(&pool, width, height)
    }

    /// What came for a frame, in words.
    fn told(&self, frame: &ZwlrScreencopyFrameV1) -> Vec<String> {
        self.raw.of(frame).into_iter().map(words).collect()
    }

    /// Waits for the end of a frame that was wanted, and says what came for it after the offer.
    fn end(&mut self, frame: &ZwlrScreencopyFrameV1) -> Vec<String> {
        let object = frame.id().protocol_id();
        let ended = move |events: &Events| {
            let of_it = events.log.iter().filter(|e| e.object == object);
            let mut of_it = of_it.filter_map(|e| e.event.downcast_ref());
            of_it.any(|event| matches!(event, Told::Ready { .. } | Told::Failed))
        };
        self.raw.wait("a picture", ended).unwrap();
        self.told(frame).into_iter().filter(|text| !text.starts_with("buffer")).collect()
    }

    /// Takes a picture of all of it.
    fn take(&mut self) -> Image {
        let (frame, buffer) = (self.frame(), self.buffer(WIDTH, HEIGHT));
        frame.copy(&buffer);
        assert_eq!(self.end(&frame), TAKEN);
        // Not destroyed: its number would be that of a later one.
        self.image((WIDTH, HEIGHT))
    }

    /// What is in the memory.
    fn image(&self, (width, height): (i32, i32)) -> Image {
        let mut bytes = vec![0; (width * height * 4) as usize];
        assert_eq!(rustix::io::pread(&self.memory, &mut bytes, 0), Ok(bytes.len()));
        let pixels: Vec<u32> =
            bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(pixels.iter().all(|p| p >> 24 == 0xff), "the unused byte is that of opaque pixels");
        Image::from_fn(width as usize, height as usize, |x, y| pixels[y * width as usize + x])
    }
}

/// An event without the time.
fn words(event: &Told) -> String {
    match event {
        Told::Buffer { format: WEnum::Value(format), width, height, stride } => {
            format!("buffer {format:?} {width}x{height} {stride}")
        }
        Told::BufferDone => "buffer_done".into(),
        Told::Flags { flags } => format!("flags {}", u32::from(*flags)),
        Told::Damage { x, y, width, height } => format!("damage {x},{y} {width}x{height}"),
        Told::Ready { .. } => "ready".into(),
        Told::Failed => "failed".into(),
        other => panic!("{other:?}"),
    }
}

const TAKEN: [&str; 2] = ["flags 0", "ready"];
const NOT_TAKEN: [&str; 1] = ["failed"];

/// A window that fills the screen, in another client.
fn artist(host: &Host) -> (Artist, WlSurface) {
    let mut artist = Artist::connect(&host.socket());
    let window = artist.window((WIDTH, HEIGHT)).surface;
    let buffer = artist.buffer((WIDTH, HEIGHT), Format::Xrgb8888, 1);
    artist.show(&window, &buffer);
    (artist, window)
}

/// Ends with this error of the frame's.
fn ends_with(taker: &mut Taker, frame: &ZwlrScreencopyFrameV1, error: zwlr_screencopy_frame_v1::Error) {
    let Ended::Error { interface, object, code, message } = taker.raw.ended() else {
        panic!("no protocol error")
    };
    let expected = ("zwlr_screencopy_frame_v1", frame.id().protocol_id(), error as u32);
    assert_eq!((interface.as_str(), object, code), expected, "{message}");
}

#[test]
fn what_is_offered() {
    let host = screen(&[]);
    let offer = |text: &str| vec![text.to_owned()];
    for (version, rest) in [(1, None), (2, None), (3, Some("buffer_done".to_owned()))] {
        let mut taker = Taker::with(&host, version, memfd(BYTES as u64 * 2, Some(SEALS)));
        let frame = taker.frame();
        taker.raw.roundtrip().unwrap();
        let whole: Vec<String> = offer("buffer Xrgb8888 96x80 384").into_iter().chain(rest).collect();
        assert_eq!(taker.told(&frame), whole);
    }
    // Clipped to the output; what is left is nothing, or not.
    let mut taker = Taker::connect(&host);
    let parts = [
        ((10, 20, 30, 40), Some((30, 40))),
        ((-10, -20, 30, 40), Some((20, 20))),
        ((90, 70, i32::MAX, i32::MAX), Some((6, 10))),
        ((i32::MIN, i32::MIN, i32::MAX, i32::MAX), None),
        ((0, 0, 0, 5), None),
        ((5, 5, -3, 5), None),
        ((96, 0, 5, 5), None),
        ((i32::MAX, i32::MAX, i32::MAX, i32::MAX), None),
    ];
    for (part, size) in parts {
        let frame = taker.part(part);
        let buffer = taker.buffer(8, 8);
        if size.is_none() {
            // It could not know yet that there is nothing to copy.
            frame.copy(&buffer);
            frame.copy_with_damage(&buffer);
        }
        taker.raw.roundtrip().unwrap();
        let told = taker.told(&frame);
        match size {
            Some((w, h)) => {
                assert_eq!(told, [format!("buffer Xrgb8888 {w}x{h} {}", w * 4), "buffer_done".into()])
            }
            None => assert_eq!(told, NOT_TAKEN, "{part:?}"),
        }
    }
    taker.raw.roundtrip().unwrap();
}

#[test]
fn a_picture_shows_what_was_committed_before() {
    let mut host = screen(&[]);
    let (mut artist, window) = artist(&host);
    let mut taker = Taker::connect(&host);
    let first = taker.take();
    let buffer = artist.buffer((WIDTH, HEIGHT), Format::Xrgb8888, 2);
    artist.show(&window, &buffer);
    let second = taker.take();
    assert_ne!(first, second);
    let (frame, small) = (taker.part((-5, 30, 45, 20)), taker.buffer(40, 20));
    frame.copy(&small);
    assert_eq!(taker.end(&frame), TAKEN);
    assert_same("screencopy-part", &taker.image((40, 20)), &second.crop(0, 30, 40, 20));
    // With everything that a buffer's place in its pool can be.
    let qh = taker.raw.qh();
    let far = taker.pool.create_buffer(BYTES - 12, WIDTH, HEIGHT, WIDTH * 4, Format::Xrgb8888, &qh, ());
    rustix::io::pwrite(&taker.memory, &vec![0x55; BYTES as usize * 2], 0).unwrap();
    let frame = taker.frame();
    frame.copy(&far);
    assert_eq!(taker.end(&frame), TAKEN);
    let mut bytes = vec![0; BYTES as usize * 2];
    rustix::io::pread(&taker.memory, &mut bytes, 0).unwrap();
    let (start, end) = (BYTES as usize - 12, BYTES as usize * 2 - 12);
    assert!(bytes[..start].iter().chain(&bytes[end..]).all(|b| *b == 0x55));
    let pixels: Vec<u8> = second.opaque().iter().flat_map(|p| p.to_le_bytes()).collect();
    assert!(bytes[start..end] == pixels);
    assert_same("screencopy", &host.screenshot(), &second);
}

#[test]
fn the_time_is_when_the_picture_was_presented() {
    let host = screen(&[]);
    let (mut artist, window) = artist(&host);
    let presentation: WpPresentation = artist.raw.bind(1);
    let feedback = presentation.feedback(&window, &artist.raw.qh(), ());
    let buffer = artist.buffer((WIDTH, HEIGHT), Format::Xrgb8888, 2);
    artist.commit(&window, &buffer);
    artist.raw.wait_for(&feedback, 1).unwrap();
    artist.raw.roundtrip().unwrap();
    let presented = artist.raw.of(&feedback).into_iter().find_map(|event| match event {
        Presented::Presented { tv_sec_hi, tv_sec_lo, tv_nsec, .. } => {
            Some((*tv_sec_hi, *tv_sec_lo, *tv_nsec))
        }
        _ => None,
    });
    let mut taker = Taker::connect(&host);
    let (frame, buffer) = (taker.frame(), taker.buffer(WIDTH, HEIGHT));
    frame.copy(&buffer);
    assert_eq!(taker.end(&frame), TAKEN);
    let ready = taker.raw.of(&frame).into_iter().find_map(|event| match event {
        Told::Ready { tv_sec_hi, tv_sec_lo, tv_nsec } => Some((*tv_sec_hi, *tv_sec_lo, *tv_nsec)),
        _ => None,
    });
    assert!(presented.is_some());
    assert_eq!(ready, presented);
}

#[test]
fn a_frame_is_good_for_one_copy() {
    let host = screen(&[]);
    let copies: [fn(&ZwlrScreencopyFrameV1, &WlBuffer); 2] =
        [ZwlrScreencopyFrameV1::copy, ZwlrScreencopyFrameV1::copy_with_damage];
    for again in copies {
        // After the picture was taken, and while it is waited for.
        for waits in [false, true] {
            let mut taker = Taker::connect(&host);
            let buffer = taker.buffer(WIDTH, HEIGHT);
            let (first, second) = (taker.frame(), taker.frame());
            first.copy(&buffer);
            assert_eq!(taker.end(&first), TAKEN);
            let used = if waits { &second } else { &first };
            if waits {
                second.copy_with_damage(&buffer);
            }
            again(used, &buffer);
            ends_with(&mut taker, used, zwlr_screencopy_frame_v1::Error::AlreadyUsed);
        }
    }
    Taker::connect(&host).take();
}

#[test]
fn a_buffer_must_be_as_offered() {
    let host = screen(&[]);
    let xrgb = Format::Xrgb8888;
    let wrong = [
        (WIDTH - 1, HEIGHT, WIDTH * 4, xrgb),
        (WIDTH, HEIGHT - 1, WIDTH * 4, xrgb),
        (WIDTH + 1, HEIGHT, WIDTH * 4 + 4, xrgb),
        (WIDTH, HEIGHT, WIDTH * 4 + 4, xrgb),
        (WIDTH, HEIGHT, WIDTH * 4, Format::Argb8888),
        (WIDTH, HEIGHT, WIDTH * 4, Format::Xbgr8888),
        (WIDTH, HEIGHT, WIDTH * 2, Format::Rgb565),
    ];
    for (width, height, stride, format) in wrong {
        let mut taker = Taker::connect(&host);
        let buffer = taker.pool.create_buffer(0, width, height, stride, format, &taker.raw.qh(), ());
        let frame = taker.frame();
        frame.copy(&buffer);
        ends_with(&mut taker, &frame, zwlr_screencopy_frame_v1::Error::InvalidBuffer);
    }
    // One that fits the output, for a part of it.
    let mut taker = Taker::connect(&host);
    let (frame, buffer) = (taker.part((0, 0, WIDTH, HEIGHT - 1)), taker.buffer(WIDTH, HEIGHT));
    frame.copy_with_damage(&buffer);
    ends_with(&mut taker, &frame, zwlr_screencopy_frame_v1::Error::InvalidBuffer);
    Taker::connect(&host).take();
}

/// Changes a rectangle of a window.
fn damage(artist: &mut Artist, window: &WlSurface, buffer: &WlBuffer, (x, y, w, h): (i32, i32, i32, i32)) {
    window.attach(Some(buffer), 0, 0);
    window.damage_buffer(x, y, w, h);
    let done = window.frame(&artist.raw.qh(), ());
    window.commit();
    let (object, from) = (done.id().protocol_id(), artist.raw.events.log.len());
    let came = move |events: &Events| events.log[from..].iter().any(|e| e.object == object);
    artist.raw.wait("a frame", came).unwrap();
}

#[test]
fn who_waits_for_damage_gets_it() {
    let host = screen(&[]);
    let (mut artist, window) = artist(&host);
    let drawn = artist.buffer((WIDTH, HEIGHT), Format::Xrgb8888, 2);
    let mut taker = Taker::connect(&host);
    let whole = taker.buffer(WIDTH, HEIGHT);
    // Of a manager that has copied nothing yet, everything is new.
    let frame = taker.frame();
    frame.copy_with_damage(&whole);
    assert_eq!(taker.end(&frame), ["flags 0", "damage 0,0 96x80", "ready"]);
    let frame = taker.frame();
    frame.copy_with_damage(&whole);
    taker.raw.roundtrip().unwrap();
    // Commits without damage, and without a buffer, bring none.
    damage(&mut artist, &window, &drawn, (0, 0, 0, 0));
    window.commit();
    artist.raw.roundtrip().unwrap();
    taker.raw.roundtrip().unwrap();
    assert_eq!(taker.told(&frame).len(), 2);
    damage(&mut artist, &window, &drawn, (8, 9, 10, 11));
    assert_eq!(taker.end(&frame), ["flags 0", "damage 8,9 10x11", "ready"]);
    // Damage adds up until somebody asks; in a part only what is of it counts, from its corner.
    damage(&mut artist, &window, &drawn, (50, 50, 4, 4));
    damage(&mut artist, &window, &drawn, (20, 0, 8, 8));
    let (part, small) = (taker.part((24, 4, 10, 10)), taker.buffer(10, 10));
    part.copy_with_damage(&small);
    assert_eq!(taker.end(&part), ["flags 0", "damage 0,0 4x4", "ready"]);
    let part = taker.part((24, 4, 10, 10));
    part.copy_with_damage(&small);
    damage(&mut artist, &window, &drawn, (0, 60, 10, 10));
    taker.raw.roundtrip().unwrap();
    assert_eq!(taker.told(&part).len(), 2, "nothing has changed there");
    // What lies outside of that part was not copied with it. (Rows of rectangles from the top, as pixman keeps them.)
    let frame = taker.frame();
    frame.copy_with_damage(&whole);
    let rows = ["damage 20,0 8x4", "damage 20,4 4x4", "damage 50,50 4x4", "damage 0,60 10x10"];
    let told = taker.end(&frame);
    assert_eq!((told[0].as_str(), told[told.len() - 1].as_str()), ("flags 0", "ready"));
    assert_eq!(told[1..told.len() - 1], rows);
    // A plain copy counts, too; and each manager for itself.
    damage(&mut artist, &window, &drawn, (1, 1, 1, 1));
    let frame = taker.frame();
    frame.copy(&whole);
    assert_eq!(taker.end(&frame), TAKEN);
    let frame = taker.frame();
    frame.copy_with_damage(&whole);
    taker.raw.roundtrip().unwrap();
    assert_eq!(taker.told(&frame).len(), 2);
    taker.manager = taker.raw.bind(3);
    let other = taker.frame();
    other.copy_with_damage(&whole);
    assert_eq!(taker.end(&other), ["flags 0", "damage 0,0 96x80", "ready"]);
    assert_eq!(taker.told(&frame).len(), 2);
    damage(&mut artist, &window, &drawn, (2, 3, 1, 1));
    assert_eq!(taker.end(&frame), ["flags 0", "damage 2,3 1x1", "ready"]);
}

#[test]
fn nested_damage_is_told_too() {
    let outer = Host::selkie(&["--size", "96x80", "--refresh", "0"]);
    let host = outer.selkie_inside(&["--size", "96x80", "--screencopy"]);
    let (mut artist, window) = artist(&host);
    let drawn = artist.buffer((WIDTH, HEIGHT), Format::Xrgb8888, 2);
    let mut taker = Taker::connect(&host);
    let whole = taker.buffer(WIDTH, HEIGHT);
    taker.take();
    let frame = taker.frame();
    frame.copy_with_damage(&whole);
    taker.raw.roundtrip().unwrap();
    damage(&mut artist, &window, &drawn, (8, 9, 10, 11));
    assert_eq!(taker.end(&frame), ["flags 0", "damage 8,9 10x11", "ready"]);
    assert_eq!(artist.path(&drawn).unwrap().0, Path::Forwarded);
}

#[test]
fn anything_may_be_destroyed_while_a_picture_is_waited_for() {
    let host = screen(&[]);
    let (mut artist, window) = artist(&host);
    let drawn = artist.buffer((WIDTH, HEIGHT), Format::Xrgb8888, 2);
    let mut taker = Taker::connect(&host);
    let expected = taker.take();
    // The frame: nothing comes. Nor of the client that is gone.
    let (frame, buffer) = (taker.frame(), taker.buffer(WIDTH, HEIGHT));
    frame.copy_with_damage(&buffer);
    frame.destroy();
    let mut gone = Taker::connect(&host);
    gone.take();
    let (late, into) = (gone.frame(), gone.buffer(WIDTH, HEIGHT));
    late.copy_with_damage(&into);
    gone.raw.roundtrip().unwrap();
    drop(gone);
    // The buffer: there is nowhere to copy to.
    let (frame, lost) = (taker.frame(), taker.buffer(WIDTH, HEIGHT));
    frame.copy_with_damage(&lost);
    lost.destroy();
    assert_eq!(taker.end(&frame), NOT_TAKEN);
    // The manager and the pool have done their part.
    let frame = taker.frame();
    frame.copy_with_damage(&buffer);
    taker.manager.destroy();
    taker.pool.destroy();
    taker.output.release();
    taker.raw.roundtrip().unwrap();
    rustix::io::pwrite(&taker.memory, &[0; BYTES as usize], 0).unwrap();
    damage(&mut artist, &window, &drawn, (0, 0, 0, 0));
    damage(&mut artist, &window, &drawn, (0, 0, 7, 1));
    assert_eq!(taker.end(&frame), ["flags 0", "damage 0,0 7x1", "ready"]);
    let now = taker.image((WIDTH, HEIGHT));
    assert_eq!(now.crop(0, 1, 96, 79), expected.crop(0, 1, 96, 79));
    assert_ne!(now.crop(0, 0, 7, 1), expected.crop(0, 0, 7, 1));
}

/// One end of memory and what becomes of a picture that is to go there.
struct Case {
    policy: &'static str,
    memory: Option<OwnedFd>,
    taken: bool,
}

fn read_only(fd: &OwnedFd) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// A file without a name on a disk, if there is one at hand.
fn on_disk() -> Option<OwnedFd> {
    let found = file_in("/var/tmp").filter(|fd| examine(fd.as_fd(), 1).kind == Kind::Disk);
    if found.is_none() {
        support::impossible("/var/tmp is on no local disk");
    }
    found
}

/// A file without a name.
fn file_in(dir: &str) -> Option<OwnedFd> {
    let file = tempfile::tempfile_in(dir).ok()?;
    file.set_len(BYTES as u64 * 2).unwrap();
    Some(file.into())
}

#[test]
fn memory_that_cannot_be_written_fails_and_hurts_nobody() {
    let room = BYTES as u64 * 2;
    let sealed = |more| Some(memfd(room, Some(SealFlags::SHRINK | more)));
    let case = |policy, memory, taken| Case { policy, memory, taken };
    let mut cases = vec![
        case("guard", sealed(SealFlags::SHRINK), true),
        case("guard", Some(memfd(room, None)), true),
        case("guard", Some(memfd(room, Some(SealFlags::empty()))), true),
        case("guard", file_in("/dev/shm"), true),
        case("copy", Some(memfd(room, None)), true),
        case("copy", file_in("/dev/shm"), true),
        case("adopt", Some(memfd(room, Some(SealFlags::empty()))), true),
        case("copy", on_disk(), false),
        case("guard", on_disk(), false),
    ];
    for policy in ["enforce", "adopt", "copy", "guard"] {
        cases.push(case(policy, sealed(SealFlags::GROW | SealFlags::SEAL), true));
        cases.push(case(policy, sealed(SealFlags::WRITE), false));
        cases.push(case(policy, sealed(SealFlags::FUTURE_WRITE), false));
        cases.push(case(policy, Some(read_only(&memfd(room, Some(SEALS)))), false));
    }
    for Case { policy, memory, taken } in cases {
        let Some(memory) = memory else { continue };
        let host = screen(&["--policy", policy]);
        let mut taker = Taker::with(&host, 3, memory);
        let (frame, buffer) = (taker.frame(), taker.buffer(WIDTH, HEIGHT));
        frame.copy(&buffer);
        let told = taker.end(&frame);
        assert_eq!(told, if taken { &TAKEN[..] } else { &NOT_TAKEN }, "{policy} {:?}", taker.memory);
        if taken {
            assert_eq!(taker.image((WIDTH, HEIGHT)), Image::filled(96, 80, host.background()));
        }
        let picture = Taker::connect(&host).take();
        assert_eq!(picture, Image::filled(96, 80, host.background()));
    }
}

#[test]
fn memory_that_was_cut_off_fails_and_hurts_nobody() {
    for policy in ["copy", "guard"] {
        let host = screen(&["--policy", policy]);
        let mut taker = Taker::with(&host, 3, memfd(BYTES as u64 * 2, None));
        let (frame, buffer) = (taker.frame(), taker.buffer(WIDTH, HEIGHT));
        taker.raw.roundtrip().unwrap();
        rustix::fs::ftruncate(&taker.memory, BYTES as u64 / 2).unwrap();
        frame.copy(&buffer);
        assert_eq!(taker.end(&frame), NOT_TAKEN);
        rustix::fs::ftruncate(&taker.memory, BYTES as u64 * 2).unwrap();
        taker.take();
    }
}

#[test]
fn too_many_pictures_at_a_time_end_their_client() {
    let host = screen(&[]);
    let mut taker = Taker::connect(&host);
    let mut frames: Vec<_> = (0..64).map(|_| taker.frame()).collect();
    taker.raw.roundtrip().unwrap();
    // All of them are taken, each in its turn.
    let buffer = taker.buffer(WIDTH, HEIGHT);
    frames.iter().for_each(|frame| frame.copy(&buffer));
    frames.iter().for_each(|frame| assert_eq!(taker.end(frame), TAKEN));
    // Those that are taken count until they are destroyed.
    frames.pop().unwrap().destroy();
    frames.push(taker.frame());
    taker.raw.roundtrip().unwrap();
    taker.frame();
    let Ended::Error { interface, code, .. } = taker.raw.ended() else { panic!("no protocol error") };
    assert_eq!((interface.as_str(), code), ("wl_display", 2));
    Taker::connect(&host).take();
}

#[test]
fn who_waits_for_damage_wakes_up_nobody() {
    let host = screen(&[]);
    let mut taker = Taker::connect(&host);
    taker.take();
    let (frame, buffer) = (taker.frame(), taker.buffer(WIDTH, HEIGHT));
    frame.copy_with_damage(&buffer);
    taker.raw.roundtrip().unwrap();
    // As in tests/idle.rs: that time passes and nothing runs is what is measured.
    let quiet = || {
        let before = host.process.context_switches();
        std::thread::sleep(Duration::from_secs(1));
        host.process.context_switches() - before
    };
    let mut looks = vec![quiet()];
    while looks.len() < 8 && !looks.ends_with(&[0, 0]) {
        looks.push(quiet());
    }
    assert!(looks.ends_with(&[0, 0]), "{looks:?}");
}

#[test]
fn the_output_in_logical_units() {
    let host = screen(&[]);
    for version in 1..=3 {
        let mut raw = Raw::connect(&host.socket());
        let output: WlOutput = raw.bind(4);
        let manager: ZxdgOutputManagerV1 = raw.bind(version);
        raw.roundtrip().unwrap();
        let before = raw.of(&output).len();
        let described = manager.get_xdg_output(&output, &raw.qh(), ());
        raw.roundtrip().unwrap();
        let texts: Vec<String> = raw.of(&described).into_iter().map(|event| format!("{event:?}")).collect();
        let mut expected = vec!["LogicalPosition { x: 0, y: 0 }"];
        if version >= 2 {
            expected.push("Name { name: \"SELKIE-1\" }");
            expected.push("Description { description: \"selkie's picture\" }");
        }
        expected.push("LogicalSize { width: 96, height: 80 }");
        if version < 3 {
            expected.push("Done");
        }
        assert_eq!(texts, expected);
        let more: Vec<String> = raw.of(&output)[before..].iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(more, if version < 3 { &[][..] } else { &["Done"] });
        described.destroy();
        manager.destroy();
        raw.roundtrip().unwrap();
    }
}
