//! Clients' memory that the host shows itself: what is to be seen is what would be seen if selkie had drawn it, whatever the
//! clients do, and nobody reads it on the way.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, SealFlags};
use support::artist::{Artist, ROOM, noise};
use support::raw::{Events, Raw, Window, memfd, write_pixels};
use support::report::{Frame, Path, frames};
use support::{
    Host, Image, Kind, assert_alike, assert_close, assert_same, eventually, require_programs, scenes,
};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_output::{self, Transform, WlOutput};
use wayland_client::protocol::wl_shm::{self, Format, WlShm};
use wayland_client::{Proxy, WEnum};

/// The nested screen.
const SIZE: (usize, usize) = (400, 300);

/// Selkie in a host, for one path.
struct Nest {
    host: Host,
    nested: Host,
    report: PathBuf,
    /// Where its screen is on the host's.
    at: (usize, usize),
}

impl Nest {
    fn new(kind: Kind, path: Path, args: &[&str]) -> Self {
        let mut host = match kind {
            Kind::Selkie => Host::selkie(&["--size", "400x300", "--refresh", "0"]),
            // Wherever within 410 pixels the window is, it is whole.
            Kind::Weston => Host::weston(816, 716).unwrap(),
            // sway tiles: the window has the size of its output.
            Kind::Sway => Host::sway(SIZE.0 as u32, SIZE.1 as u32).unwrap(),
        };
        let report = host.dir.file("nested.jsonl");
        let mut all = vec!["--size", "400x300", "--report", report.to_str().unwrap()];
        all.extend((path == Path::Composed).then_some("--compose"));
        all.extend(args);
        let nested = host.selkie_inside(&all);
        let mut at = (0, 0);
        if kind != Kind::Selkie {
            // Its first picture, all background, tells where it is, and there it stays.
            let around = host.background();
            let place = |image: &Image| {
                image.bounds(around).filter(|(_, _, w, h)| (*w, *h) == SIZE).map(|(x, y, ..)| (x, y))
            };
            at = place(&host.screenshot_until("selkie's window", |image| place(image).is_some())).unwrap();
        }
        Self { host, nested, report, at }
    }

    fn artist(&self) -> Artist {
        Artist::connect(&self.nested.socket())
    }

    /// What is on its screen, as the host has it; the last thing for a selkie.
    fn picture(&mut self) -> Image {
        self.nested.process.assert_alive();
        self.host.screenshot().crop(self.at.0, self.at.1, SIZE.0, SIZE.1)
    }

    fn frames(&self) -> Vec<Frame> {
        frames(&self.report)
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the host: {:?}, selkie: {:?}", self.host.process.ended(), self.nested.process.ended());
        }
    }
}

/// What scenes may have in them.
#[derive(Clone, Copy)]
struct With {
    /// Crops, and what reaches beyond the screen, which takes a crop.
    crops: bool,
    /// Pictures shown larger or smaller than they are.
    scaled: bool,
}

/// A client with a window and two subsurfaces.
struct Shows {
    artist: Artist,
    window: Window,
    buffer: WlBuffer,
}

const TRANSFORMS: [Transform; 8] = [
    Transform::Normal,
    Transform::_90,
    Transform::_180,
    Transform::_270,
    Transform::Flipped,
    Transform::Flipped90,
    Transform::Flipped180,
    Transform::Flipped270,
];

/// The n-th of the ten clients.
fn client(nest: &Nest, n: i32, with: With) -> Shows {
    let mut artist = nest.artist();
    let seed = 16 * n as u32;
    let transform = TRANSFORMS[n as usize % 8];
    let size = (180 + 13 * n, 120 + 11 * n);
    let shown = if n % 2 == 0 { size } else { (size.1, size.0) };
    let format = if n % 3 == 2 { Format::Argb8888 } else { Format::Xrgb8888 };
    let window = artist.window(shown);
    let buffer = artist.buffer(size, format, seed);
    window.surface.set_buffer_transform(transform);
    // Over the edge, over each other, and one of them below its parent.
    let left = if with.crops { -110 } else { 7 };
    let (sync, _role) = artist.child(&window.surface, (left, 20 + 9 * n));
    let small = artist.buffer((90 + n, 80), Format::Argb8888, seed + 1);
    if with.crops && n % 2 == 0 {
        let viewport = artist.viewport(&sync);
        viewport.set_source(f64::from(3 + n), 5.0, 70.0, 60.0);
    }
    if with.scaled && n % 4 == 1 {
        let viewport = artist.viewport(&sync);
        viewport.set_destination(41 + 17 * n, 53);
    }
    artist.commit(&sync, &small);
    let beyond = if with.crops { (shown.0 - 40, shown.1 - 30) } else { (1, n) };
    let (desync, role) = artist.child(&window.surface, beyond);
    role.set_desync();
    if n % 2 == 1 {
        role.place_below(&window.surface);
    }
    let twice = artist.buffer((120, 2 * (50 + n)), Format::Xrgb8888, seed + 2);
    desync.set_buffer_transform(TRANSFORMS[(n as usize + 3) % 8]);
    if with.scaled {
        desync.set_buffer_scale(2);
    }
    artist.commit(&desync, &twice);
    artist.commit(&window.surface, &buffer);
    artist.raw.roundtrip().unwrap();
    Shows { artist, window, buffer }
}

/// Ten clients, and then some changes. All of it is on the screen at the end.
fn ten(nest: &Nest, with: With) -> Vec<Shows> {
    let mut all: Vec<Shows> = (0..10).map(|n| client(nest, n, with)).collect();
    shown(&mut all);
    // One becomes smaller, and turns.
    let one = &mut all[9];
    let resized = one.artist.buffer((150, 210), Format::Argb8888, 901);
    one.window.surface.set_buffer_transform(Transform::Normal);
    one.window.xdg_surface.set_window_geometry(0, 0, 150, 210);
    one.artist.commit(&one.window.surface, &resized);
    one.buffer = resized;
    // One moves a subsurface, and gets another one in the memory that its pool has grown by.
    let one = &mut all[8];
    let (late, _role) = one.artist.child(&one.window.surface, (30, 40));
    rustix::fs::ftruncate(&one.artist.memory, 2 * ROOM).unwrap();
    write_pixels(&one.artist.memory, ROOM, &noise(77, 66, false, 902));
    one.artist.pool.resize(2 * ROOM as i32);
    let qh = one.artist.raw.qh();
    let grown = one.artist.pool.create_buffer(ROOM as i32, 77, 66, 77 * 4, Format::Xrgb8888, &qh, ());
    one.artist.commit(&late, &grown);
    one.artist.commit(&one.window.surface, &one.buffer);
    one.artist.raw.roundtrip().unwrap();
    // One is no more, one has nothing to show.
    drop(all.remove(7));
    eventually("the end of a client", || {
        let gone = std::fs::read_to_string(&nest.report).unwrap().contains("\"event\":\"gone\"");
        if gone { Ok(()) } else { Err("it is not in the report".to_owned()) }
    });
    all[6].window.surface.attach(None, 0, 0);
    all[6].window.surface.commit();
    // One has news in a part of its buffer only.
    let one = &mut all[5];
    write_pixels(&one.artist.memory, 0, &noise(180, 20, true, 903));
    one.window.surface.attach(Some(&one.buffer), 0, 0);
    one.window.surface.damage_buffer(0, 0, i32::MAX, 40);
    one.window.surface.commit();
    shown(&mut all);
    all
}

/// Waits until all that was committed is on the screen.
fn shown(all: &mut [Shows]) {
    all.iter_mut().for_each(|one| one.artist.raw.roundtrip().unwrap());
    // What comes last shows on top of all others, so it is sure to be told.
    let last = all.last_mut().unwrap();
    last.artist.show(&last.window.surface, &last.buffer);
}

/// The ten clients in a host, by one path; all frames took that path.
fn ten_in(kind: Kind, path: Path, with: With) -> Image {
    let mut nest = Nest::new(kind, path, &[]);
    let _clients = ten(&nest, with);
    let frames = nest.frames();
    let read = frames.iter().map(|f| f.bytes_copied).sum::<u64>();
    assert_eq!(read == 0, path == Path::Forwarded, "{read}");
    let other = frames.iter().find(|f| f.path != path);
    assert!(frames.len() >= 20 && other.is_none(), "{} frames, {other:?}", frames.len());
    nest.picture()
}

fn same_by_both_paths(kind: Kind, with: With) {
    let [forwarded, composed] = [Path::Forwarded, Path::Composed].map(|path| ten_in(kind, path, with));
    let name = format!("ten-{kind:?}-{}", if with.scaled { "scaled" } else { "exact" });
    match (with.scaled, kind) {
        (false, _) => assert_same(&name, &forwarded, &composed),
        (true, Kind::Sway) => assert_alike(&name, &forwarded, &composed),
        (true, _) => assert_close(&name, &forwarded, &composed, scenes::SCALED),
    }
}

#[test]
fn ten_clients_in_selkie_look_as_if_composed() {
    same_by_both_paths(Kind::Selkie, With { crops: true, scaled: false });
}

#[test]
fn ten_scaled_clients_in_selkie_look_as_if_composed() {
    same_by_both_paths(Kind::Selkie, With { crops: false, scaled: true });
}

#[test]
fn ten_clients_in_weston_look_as_if_composed() {
    require_programs!("weston", "weston-screenshooter");
    same_by_both_paths(Kind::Weston, With { crops: true, scaled: false });
}

#[test]
fn ten_scaled_clients_in_weston_look_as_if_composed() {
    require_programs!("weston", "weston-screenshooter");
    same_by_both_paths(Kind::Weston, With { crops: false, scaled: true });
}

/// What is enlarged is interpolated; where the screen cuts it off, with what cannot be seen. The host is told nothing of that, so
/// it is drawn.
#[test]
fn an_enlarged_picture_that_is_cut_off_is_drawn() {
    let pictures = [Path::Forwarded, Path::Composed].map(|path| {
        let mut nest = Nest::new(Kind::Selkie, path, &[]);
        let mut artist = nest.artist();
        let window = artist.window((200, 150));
        let buffer = artist.buffer((200, 150), Format::Xrgb8888, 1);
        let mut buffers = Vec::new();
        for (at, size) in
            [((-170, 20), (230, 90)), ((60, 90), (300, 300)), ((20, 30), (150, 60)), ((-130, 130), (40, 30))]
        {
            let (child, role) = artist.child(&window.surface, at);
            role.set_desync();
            artist.viewport(&child).set_destination(size.0, size.1);
            let small = artist.buffer((70, 40), Format::Xrgb8888, 2 + buffers.len() as u32);
            artist.commit(&child, &small);
            buffers.push(small);
        }
        artist.show(&window.surface, &buffer);
        let paths: Vec<Path> = buffers.iter().map(|buffer| artist.path(buffer).unwrap().0).collect();
        // Two are cut off; one is not, and one is made smaller.
        assert_eq!(paths, [Path::Composed, Path::Composed, path, path]);
        nest.picture()
    });
    assert_close("enlarged", &pictures[0], &pictures[1], scenes::SCALED);
}

/// The pixman renderer of sway 1.7 shows a crop of every picture from its top left corner on, so there is none.
#[test]
fn ten_clients_in_sway_look_as_if_composed() {
    require_programs!("sway", "grim");
    same_by_both_paths(Kind::Sway, With { crops: false, scaled: false });
}

#[test]
fn ten_scaled_clients_in_sway_look_as_if_composed() {
    require_programs!("sway", "grim");
    same_by_both_paths(Kind::Sway, With { crops: false, scaled: true });
}

/// Three windows one above the other, the one in the middle of memory that is not forwarded, with a subsurface of it on top of
/// them all.
fn sandwich(nest: &Nest, middle: OwnedFd) -> [(Artist, Window, WlBuffer); 3] {
    let show = |mut artist: Artist, size, format, seed| {
        let window = artist.window(size);
        let buffer = match seed {
            // Its memory holds a picture already.
            0 => artist.unpainted(size, format),
            _ => artist.buffer(size, format, seed),
        };
        artist.show(&window.surface, &buffer);
        (artist, window, buffer)
    };
    let below = show(nest.artist(), (330, 220), Format::Xrgb8888, 1);
    let between = Artist::with(&nest.nested.socket(), middle);
    let mut between = show(between, (250, 260), Format::Argb8888, 0);
    let above = show(nest.artist(), (210, 200), Format::Argb8888, 3);
    // Over the window's edge, and beyond the screen's.
    let (child, role) = between.0.child(&between.1.surface, (-150, 100));
    role.set_desync();
    let small = between.0.unpainted((300, 40), Format::Argb8888);
    between.0.commit(&child, &small);
    between.0.show(&between.1.surface, &between.2);
    // And news, in a part of it.
    between.1.surface.attach(Some(&between.2), 0, 0);
    between.1.surface.damage_buffer(10, 10, 50, 60);
    between.1.surface.commit();
    let mut all = [below, between, above];
    all.iter_mut().for_each(|one| one.0.raw.roundtrip().unwrap());
    let (artist, window, buffer) = &mut all[2];
    artist.show(&window.surface, buffer);
    all
}

/// Memory with a picture in it, sealed afterwards.
fn painted(seals: Option<SealFlags>) -> OwnedFd {
    let fd = memfd(ROOM, seals.map(|_| SealFlags::empty()));
    write_pixels(&fd, 0, &noise(250, 300, true, 2));
    if let Some(seals) = seals.filter(|seals| !seals.is_empty()) {
        rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
    }
    fd
}

fn read_only() -> OwnedFd {
    let fd = painted(Some(SealFlags::SHRINK));
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Memory that must not go on lies between memory that does.
fn lies_between(kind: Kind, policy: &str, memory: fn() -> OwnedFd) {
    let args = ["--policy", policy];
    let [forwarded, composed] = [Path::Forwarded, Path::Composed].map(|path| {
        let mut nest = Nest::new(kind, path, &args);
        let mut clients = sandwich(&nest, memory());
        let paths: Vec<_> =
            clients.iter_mut().map(|(artist, _, buffer)| artist.path(buffer).unwrap().0).collect();
        assert_eq!(paths, [path, Path::Composed, path], "{policy}");
        nest.picture()
    });
    assert_same(&format!("between-{kind:?}-{policy}"), &forwarded, &composed);
}

#[test]
fn memory_that_could_vanish_is_drawn_between_what_is_forwarded() {
    for policy in ["guard", "copy"] {
        lies_between(Kind::Selkie, policy, || painted(None));
    }
}

#[test]
fn memory_that_could_vanish_is_drawn_between_what_is_forwarded_to_weston() {
    require_programs!("weston", "weston-screenshooter");
    lies_between(Kind::Weston, "copy", || painted(None));
}

/// A host maps pools read-write, and ends who hands it one for which it cannot.
#[test]
fn memory_that_no_host_could_map_is_drawn() {
    lies_between(Kind::Selkie, "enforce", read_only);
    lies_between(Kind::Selkie, "enforce", || painted(Some(SealFlags::SHRINK | SealFlags::FUTURE_WRITE)));
    lies_between(Kind::Selkie, "enforce", || painted(Some(SealFlags::SHRINK | SealFlags::WRITE)));
}

/// The formats that a compositor takes.
fn formats(host: &Host) -> Vec<u32> {
    let mut raw = Raw::connect(&host.socket());
    let shm: WlShm = raw.bind(1);
    raw.roundtrip().unwrap();
    let number = |event: &&wl_shm::Event| match event {
        wl_shm::Event::Format { format: WEnum::Value(format) } => Some(*format as u32),
        _ => None,
    };
    raw.of(&shm).iter().filter_map(number).collect()
}

#[test]
fn a_format_that_the_host_lacks_is_drawn() {
    require_programs!("weston", "weston-screenshooter");
    let pictures = [Path::Forwarded, Path::Composed].map(|path| {
        let mut nest = Nest::new(Kind::Weston, path, &[]);
        let (takes, offers) = (formats(&nest.host), formats(&nest.nested));
        let format = Format::Bgr565;
        assert!(
            offers.contains(&(format as u32)) && !takes.contains(&(format as u32)),
            "{takes:x?} {offers:x?}"
        );
        let mut artist = nest.artist();
        let window = artist.window((300, 200));
        let mut shows =
            [Format::Xrgb8888, format, Format::Xrgb8888].into_iter().zip(7..).map(|(format, seed)| {
                let buffer = artist.buffer((300, 200), format, seed);
                artist.show(&window.surface, &buffer);
                artist.path(&buffer).unwrap().0
            });
        assert_eq!(
            [shows.next(), shows.next(), shows.next()],
            [Some(path), Some(Path::Composed), Some(path)]
        );
        let last = artist.buffer((300, 200), format, 11);
        artist.show(&window.surface, &last);
        nest.picture()
    });
    assert_same("format-that-weston-lacks", &pictures[0], &pictures[1]);
}

/// Whether a process has a client's pool mapped.
fn maps_pool(host: &Host) -> bool {
    let maps = format!("/proc/{}/maps", host.process.pid().as_raw_nonzero());
    std::fs::read_to_string(maps).unwrap().contains("/memfd:selkie-test")
}

/// What is not mapped is not read: whatever the ledger says, the kernel knows.
#[test]
fn what_is_forwarded_is_never_mapped() {
    for path in [Path::Forwarded, Path::Composed] {
        let nest = Nest::new(Kind::Selkie, path, &[]);
        let mut clients: Vec<Shows> =
            (0..3).map(|n| client(&nest, n, With { crops: true, scaled: false })).collect();
        for seed in 0..20 {
            let one = &mut clients[2];
            let next = one.artist.buffer((100, 90), Format::Xrgb8888, seed);
            one.artist.show(&one.window.surface, &next);
            assert_eq!(maps_pool(&nest.nested), path == Path::Composed);
        }
        assert_eq!(maps_pool(&nest.host), path == Path::Forwarded);
    }
}

/// The host's window changes its size while clients are shown in it: their subsurfaces are cut off elsewhere.
#[test]
fn the_hosts_window_may_change_its_size() {
    require_programs!("sway", "grim");
    let pictures = [Path::Forwarded, Path::Composed].map(|path| {
        let mut nest = Nest::new(Kind::Sway, path, &[]);
        // What is cut off on the right and below takes no crop, unless it is turned (see above).
        let one = |size, format, seed| {
            let mut artist = nest.artist();
            let window = artist.window(size);
            let buffer = artist.buffer(size, format, seed);
            let (child, role) = artist.child(&window.surface, (90, 33));
            role.set_desync();
            let small = artist.buffer((120, 40), Format::Argb8888, seed + 1);
            artist.commit(&child, &small);
            artist.show(&window.surface, &buffer);
            Shows { artist, window, buffer }
        };
        let mut all = vec![one((320, 240), Format::Xrgb8888, 1), one((170, 260), Format::Argb8888, 3)];
        shown(&mut all);
        let output: WlOutput = all[0].artist.raw.bind(2);
        let mut widths = Vec::new();
        let mut resized = |all: &mut [Shows], width: i32| {
            let artist = &mut all[0].artist;
            let id = output.id().protocol_id();
            let mode = move |events: &Events| {
                let modes =
                    events.log.iter().filter(|e| e.object == id).filter_map(|e| e.event.downcast_ref());
                let mut last = modes.filter_map(|e| match e {
                    wl_output::Event::Mode { width, .. } => Some(*width),
                    _ => None,
                });
                last.next_back() == Some(width)
            };
            artist.raw.wait("another size", mode).unwrap();
            widths.push(width);
        };
        resized(&mut all, 400);
        // sway gives the other window half of the screen.
        let mut other = Artist::connect(&nest.host.socket());
        let window = other.window((50, 50));
        let buffer = other.buffer((50, 50), Format::Xrgb8888, 77);
        // sway 1.7 forgets to tell when it was presented.
        other.raw.present(&window.surface, &buffer).unwrap();
        resized(&mut all, 200);
        shown(&mut all);
        let half = nest.host.screenshot().crop(0, 0, 200, 300);
        drop(other);
        resized(&mut all, 400);
        shown(&mut all);
        let frames = nest.frames();
        assert!(frames.iter().all(|f| f.path == path), "{frames:?}");
        [half, nest.picture()]
    });
    let [forwarded, composed] = &pictures;
    assert_same("resized-half", &forwarded[0], &composed[0]);
    assert_same("resized-whole", &forwarded[1], &composed[1]);
}
