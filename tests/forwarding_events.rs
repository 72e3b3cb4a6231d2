//! What a client hears whose memory the host shows itself: as much as if selkie had drawn it, each thing once.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use std::time::Duration;

use rustix::fs::SealFlags;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;
use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation_feedback::Event as Told;
use support::artist::{Artist, ROOM};
use support::mock::Order;
use support::raw::{Events, memfd, write_pixels};
use support::report::Path;
use support::{Host, Mock, RuntimeDir, animation};
use wayland_client::Proxy;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_shm::Format;
use wayland_client::protocol::wl_surface::WlSurface;

const SIDE: i32 = 96;

/// A host, and selkie in it, both of one size.
fn nest(host_args: &[&str], args: &[&str]) -> (Host, Host) {
    let host = Host::selkie(&[&["--size", "96x96"], host_args].concat());
    let nested = host.selkie_inside(&[&["--size", "96x96"], args].concat());
    (host, nested)
}

/// An object that is gone with its only event.
struct Once {
    object: u32,
    interface: &'static str,
    from: usize,
}

impl Once {
    fn new<I: Proxy>(artist: &Artist, proxy: &I) -> Self {
        let from = artist.raw.events.log.len();
        Self { object: proxy.id().protocol_id(), interface: I::interface().name, from }
    }

    fn is_in(&self, events: &Events) -> bool {
        events.log[self.from..].iter().any(|e| e.object == self.object && e.interface == self.interface)
    }

    fn came(&self, artist: &Artist) -> bool {
        self.is_in(&artist.raw.events)
    }

    fn wait(&self, artist: &mut Artist) {
        artist.raw.wait(self.interface, |events| self.is_in(events)).unwrap();
    }
}

fn frame(artist: &Artist, surface: &WlSurface) -> Once {
    Once::new(artist, &surface.frame(&artist.raw.qh(), ()))
}

fn get_release(artist: &Artist, surface: &WlSurface) -> Once {
    Once::new(artist, &surface.get_release(&artist.raw.qh(), ()))
}

fn releases(artist: &Artist, buffer: &WlBuffer) -> usize {
    artist.raw.of(buffer).len()
}

/// A client with a window that fills the screen.
fn client(nested: &Host) -> (Artist, WlSurface, Vec<WlBuffer>) {
    let mut artist = Artist::connect(&nested.socket());
    let window = artist.window((SIDE, SIDE));
    let buffers: Vec<WlBuffer> = (1..4).map(|n| artist.buffer((SIDE, SIDE), Format::Xrgb8888, n)).collect();
    artist.show(&window.surface, &buffers[0]);
    (artist, window.surface, buffers)
}

#[test]
fn everything_is_told_once() {
    let (_host, nested) = nest(&["--refresh", "0"], &[]);
    let (mut artist, window, buffers) = client(&nested);
    let presentation: WpPresentation = artist.raw.bind(1);
    let mut told: Vec<(u64, u64)> = Vec::new();
    let mut given_back: Vec<Once> = Vec::new();
    for n in 1..=60 {
        let buffer = &buffers[n % 3];
        // It was used for every third frame so far, and is free.
        artist.raw.wait_for(buffer, n / 3).unwrap();
        let done = frame(&artist, &window);
        let shown = Once::new(&artist, &presentation.feedback(&window, &artist.raw.qh(), ()));
        given_back.push(get_release(&artist, &window));
        artist.commit(&window, buffer);
        done.wait(&mut artist);
        artist
            .raw
            .wait("feedback", |events| {
                events.log[shown.from..].iter().any(|e| {
                    e.object == shown.object && matches!(e.event.downcast_ref(), Some(Told::Presented { .. }))
                })
            })
            .unwrap();
        let of_it = artist.raw.events.log[shown.from..].iter().filter(|e| e.object == shown.object);
        told.extend(of_it.filter_map(|e| match e.event.downcast_ref()? {
            Told::Presented { tv_sec_lo, tv_nsec, seq_lo, .. } => {
                Some((u64::from(*tv_sec_lo) * 1_000_000_000 + u64::from(*tv_nsec), u64::from(*seq_lo)))
            }
            _ => None,
        }));
        assert_eq!(told.len(), n);
    }
    // The host's own times, and its own counter.
    assert!(told.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 + 1 == two[1].1), "{told:?}");
    window.attach(None, 0, 0);
    window.commit();
    for once in &given_back {
        once.wait(&mut artist);
    }
    artist.raw.wait_for(&buffers[0], 21).unwrap();
    artist.raw.roundtrip().unwrap();
    let all: Vec<usize> = buffers.iter().map(|b| releases(&artist, b)).collect();
    assert_eq!(all, [21, 20, 20]);
    assert_eq!(artist.path(&buffers[1]), Some((Path::Forwarded, 0)));
}

/// `wl_surface.get_release` is about a commit, though it be of the buffer that shows already.
#[test]
fn a_commit_of_the_same_buffer_ends_the_one_before() {
    let (_host, nested) = nest(&["--refresh", "0"], &[]);
    let (mut artist, window, buffers) = client(&nested);
    let commit = |artist: &mut Artist, buffer: &WlBuffer| {
        let (release, done) = (get_release(artist, &window), frame(artist, &window));
        artist.commit(&window, buffer);
        done.wait(artist);
        release
    };
    let first = commit(&mut artist, &buffers[1]);
    let second = commit(&mut artist, &buffers[1]);
    first.wait(&mut artist);
    artist.raw.roundtrip().unwrap();
    assert!(!second.came(&artist) && releases(&artist, &buffers[1]) == 0);
    let third = commit(&mut artist, &buffers[2]);
    second.wait(&mut artist);
    artist.raw.wait_for(&buffers[1], 1).unwrap();
    assert!(!third.came(&artist));
    // Without damage, and what is destroyed while it shows.
    let fourth = get_release(&artist, &window);
    window.attach(Some(&buffers[1]), 0, 0);
    window.commit();
    third.wait(&mut artist);
    buffers[1].destroy();
    artist.raw.roundtrip().unwrap();
    assert!(!fourth.came(&artist));
    commit(&mut artist, &buffers[2]);
    fourth.wait(&mut artist);
}

#[test]
fn a_commit_without_a_buffer_is_answered() {
    let (_host, nested) = nest(&["--refresh", "0"], &[]);
    let (mut artist, window, buffers) = client(&nested);
    for n in 0..10 {
        let done = frame(&artist, &window);
        if n % 2 == 1 {
            window.attach(Some(&buffers[0]), 0, 0);
        }
        window.commit();
        done.wait(&mut artist);
    }
    // Several at once.
    let several: Vec<Once> = (0..7)
        .map(|n| {
            let once = frame(&artist, &window);
            if n % 3 == 0 {
                window.commit();
            }
            once
        })
        .collect();
    for once in several {
        once.wait(&mut artist);
    }
    artist.raw.roundtrip().unwrap();
    assert_eq!(releases(&artist, &buffers[0]), 0);
}

#[test]
fn what_comes_back_to_the_screen_is_told_to_draw() {
    let (_host, nested) = nest(&["--refresh", "0"], &[]);
    let (mut artist, window, buffers) = client(&nested);
    let (child, role) = artist.child(&window, (20, 20));
    role.set_desync();
    let small = artist.buffer((16, 16), Format::Argb8888, 9);
    artist.commit(&child, &small);
    artist.show(&window, &buffers[1]);
    for at in [-500, 96, 20_000] {
        role.set_position(at, 0);
        artist.show(&window, &buffers[0]);
        let done = frame(&artist, &child);
        artist.commit(&child, &small);
        artist.show(&window, &buffers[1]);
        artist.show(&window, &buffers[0]);
        assert!(!done.came(&artist), "at {at} nobody can see it");
        role.set_position(30, 30);
        window.commit();
        done.wait(&mut artist);
        assert_eq!(artist.path(&small), Some((Path::Forwarded, 0)));
    }
}

/// A surface is forwarded or drawn according to the memory of the buffer that it shows.
#[test]
fn a_surface_may_change_between_the_paths() {
    let (_host, nested) = nest(&["--refresh", "0"], &["--policy", "guard"]);
    let mut artist = Artist::connect(&nested.socket());
    let window = artist.window((SIDE, SIDE)).surface;
    let sealed: Vec<WlBuffer> = (1..3).map(|n| artist.buffer((SIDE, SIDE), Format::Xrgb8888, n)).collect();
    let unsealed = memfd(ROOM, None);
    let pool = artist.raw.pool(&artist.shm.clone(), &unsealed, ROOM as i32);
    let drawn = artist.raw.buffer(&pool, SIDE, SIDE);
    let mut given_back = Vec::new();
    for n in 0..8 {
        let buffer = if n % 2 == 0 { &sealed[n / 2 % 2] } else { &drawn };
        given_back.push(get_release(&artist, &window));
        artist.show(&window, buffer);
        // And once more, so that callbacks come on the path that it is on already.
        given_back.push(get_release(&artist, &window));
        artist.show(&window, buffer);
        let path = artist.path(buffer).unwrap().0;
        assert_eq!(path, if n % 2 == 0 { Path::Forwarded } else { Path::Composed }, "{n}");
    }
    window.attach(None, 0, 0);
    window.commit();
    for once in given_back {
        once.wait(&mut artist);
    }
    for (buffer, uses) in [(&sealed[0], 2), (&sealed[1], 2), (&drawn, 4)] {
        artist.raw.wait_for(buffer, uses).unwrap();
        assert_eq!(releases(&artist, buffer), uses);
    }
}

/// A host need not ask for frames of a window that is covered by what is forwarded. Neither a client that wants no
/// callbacks nor one that is hidden may come to a stop, or bring others to one.
#[test]
fn a_window_that_is_covered_goes_on() {
    for unsealed in [false, true] {
        let (host, nested) = nest(&["--refresh", "0"], &["--policy", "guard"]);
        let memory = memfd(ROOM, (!unsealed).then_some(SealFlags::SHRINK | SealFlags::SEAL));
        let mut hidden = Artist::with(&nested.socket(), memory);
        let below = hidden.window((50, 50)).surface;
        let small: Vec<WlBuffer> = (1..3).map(|n| hidden.buffer((50, 50), Format::Xrgb8888, n)).collect();
        hidden.show(&below, &small[0]);
        let (mut artist, window, buffers) = client(&nested);
        for n in 1..200 {
            hidden.commit(&below, &small[n % 2]);
            hidden.raw.roundtrip().unwrap();
            // No callback: the buffer before comes back when the host has this one.
            artist.commit(&window, &buffers[n % 2]);
            artist.raw.wait_for(&buffers[(n + 1) % 2], n.div_ceil(2)).unwrap();
        }
        drop(host);
    }
}

/// What several surfaces commit together is shown together.
#[test]
fn a_frame_of_several_surfaces_is_never_torn() {
    let dir = RuntimeDir::new();
    let recording = dir.file("all.apng");
    let (mut host, nested) = nest(&["--refresh", "0", "--record", recording.to_str().unwrap()], &[]);
    let mut artist = Artist::connect(&nested.socket());
    let window = artist.window((SIDE, SIDE)).surface;
    let places = [(0, 0), (40, 8), (8, 60)];
    let children: Vec<_> = places[1..].iter().map(|at| artist.child(&window, *at)).collect();
    let surfaces = || [&window, &children[0].0, &children[1].0].into_iter().zip([SIDE, 40, 20]);
    let shades = 1..=80_u32;
    for shade in shades.clone() {
        let colour = 0xff00_0000 | (shade * 0x03_0201);
        let mut last = None;
        // The parent comes last.
        for (surface, side) in surfaces().collect::<Vec<_>>().into_iter().rev() {
            let buffer = artist.unpainted((side, side), Format::Xrgb8888);
            let pixels = vec![colour; (side * side) as usize];
            write_pixels(&artist.memory, artist.used() - 4 * pixels.len() as u64, &pixels);
            if *surface == window && shade % 4 == 0 {
                last = Some(frame(&artist, &window));
            }
            artist.commit(surface, &buffer);
        }
        match last {
            Some(done) => done.wait(&mut artist),
            None => artist.raw.roundtrip().unwrap(),
        }
    }
    assert!(host.terminate().success());
    let mut seen = Vec::new();
    for image in animation(&recording) {
        let shades: Vec<u32> = [(2, 2), (60, 20), (12, 70)].iter().map(|(x, y)| image.at(*x, *y)).collect();
        if shades[0] == nested.background() {
            continue;
        }
        assert!(shades.iter().all(|s| *s == shades[0]), "torn: {shades:06x?}");
        seen.push(shades[0] / 0x03_0201);
    }
    assert!(seen.is_sorted() && seen.last() == Some(shades.end()) && seen.len() >= 20, "{seen:?}");
}

/// The same, as the host is told: it is to show all of it at once, whenever it looks.
#[test]
fn a_frame_of_several_surfaces_is_one_for_the_host() {
    let mock = Mock::start();
    mock.order(Order::Behave);
    let nested = Host::selkie_at(&mock.socket, &["--size", "400x300"]);
    let mut artist = Artist::connect(&nested.socket());
    let window = artist.window((SIDE, SIDE)).surface;
    let children = [(0, 0), (40, 8)].map(|at| artist.child(&window, at).0);
    for n in 1..30 {
        for surface in children.iter().chain([&window]) {
            let buffer = artist.buffer((30, 30), Format::Xrgb8888, n);
            artist.commit(surface, &buffer);
        }
        artist.raw.roundtrip().unwrap();
        let seen = mock.until("all of it", |seen| seen.together.iter().sum::<usize>() >= 3 * n as usize);
        assert_eq!(seen.together, vec![3; n as usize]);
    }
}

#[test]
fn without_news_nothing_wakes_up() {
    let (host, nested) = nest(&["--refresh", "0"], &[]);
    let (mut artist, _window, buffers) = client(&nested);
    assert_eq!(artist.path(&buffers[0]), Some((Path::Forwarded, 0)));
    // Time itself is what is measured here, as in tests/idle.rs.
    let quiet = || {
        let both = || nested.process.context_switches() + host.process.context_switches();
        let before = both();
        std::thread::sleep(Duration::from_secs(2));
        both() - before
    };
    let mut looks = vec![quiet()];
    while looks.len() < 5 && !looks.ends_with(&[0, 0]) {
        looks.push(quiet());
    }
    assert!(looks.ends_with(&[0, 0]), "{looks:?}");
}
