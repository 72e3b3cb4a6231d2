//! The harness itself: the hosts that the end-to-end tests nest in start, show a client of others,
//! give a picture, and leave nothing behind.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use rustix::fs::SealFlags;
use support::raw::{Ended, Raw, memfd, write_pixels};
use support::{Host, Image, Kind, assert_same, require_programs};
use wayland_client::Proxy;
use wayland_client::protocol::wl_shm;

fn shows_a_client_and_goes(mut host: Host, size: (usize, usize), program: &str) {
    let empty = host.screenshot();
    assert_eq!((empty.width, empty.height), size);
    assert_eq!(empty.colours(), 1, "an empty screen is all one colour");

    let mut client = host.client(program, &[]);
    let image = host.screenshot_until(&format!("{program} to be seen"), |image| image.colours() > 16);
    assert_eq!((image.width, image.height), size);
    client.assert_alive();
    assert!(host.process.counters().shared_maps > 0, "the host maps the client's memory");

    let (pid, socket) = (host.process.pid(), host.socket());
    drop(host);
    assert!(!socket.exists());
    assert!(rustix::process::test_kill_process(pid).is_err());
    // A client whose compositor is gone ends by itself.
    client.wait();
}

#[test]
fn weston_shows_a_client() {
    require_programs!("weston", "weston-screenshooter", "weston-simple-shm");
    shows_a_client_and_goes(Host::weston(641, 479).unwrap(), (641, 479), "weston-simple-shm");
}

/// weston-simple-shm will not do here: sway holds its first buffer longer than it can bear with two,
/// and it aborts ("Both buffers busy").
#[test]
fn sway_shows_a_client() {
    require_programs!("sway", "grim", "weston-flower");
    shows_a_client_and_goes(Host::sway(800, 600).unwrap(), (800, 600), "weston-flower");
}

#[test]
fn a_picture_survives_being_saved() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image::from_fn(7, 3, |x, y| (x * 0x10_2030 + y) as u32);
    image.save(&dir.path().join("p.png"));
    assert_eq!(Image::load(&dir.path().join("p.png")), Ok(image));
}

#[test]
fn a_difference_names_the_first_pixel_and_counts() {
    let expected = Image::filled(4, 4, 0x102030);
    let mut actual = expected.clone();
    actual.pixels[6] = 0x102032;
    actual.pixels[9] = 0x112030;
    assert_eq!(
        actual.difference(&expected, 0).unwrap(),
        "2 of 16 pixels differ (by up to 2); the first at (2, 1) is #102032, expected #102030"
    );
    assert_eq!(actual.difference(&expected, 2), None);
    assert_eq!(actual.bounds(0x102030), Some((1, 1, 2, 2)));
    assert_eq!(expected.bounds(0x102030), None);
}

/// The raw client shows a picture.
fn shows_a_picture(mut host: Host) {
    let mut raw = Raw::connect(&host.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    let window = raw.window().unwrap();
    let picture = Image::from_fn(37, 23, |x, y| 0x40_0000 + ((x as u32) << 8) + y as u32);
    let fd = memfd(37 * 23 * 4, Some(SealFlags::SHRINK));
    write_pixels(&fd, 0, &picture.opaque());
    let pool = raw.pool(&shm, &fd, 37 * 23 * 4);
    let buffer = raw.buffer(&pool, 37, 23);
    raw.present(&window.surface, &buffer).unwrap();

    let name = format!("raw-{:?}", host.kind);
    let background = host.background();
    let screen = match host.kind {
        Kind::Selkie => host.screenshot(),
        _ => host.screenshot_until("the picture", |image| image.bounds(background).is_some()),
    };
    let (x, y, width, height) = screen.bounds(background).expect("the picture is on the screen");
    assert_same(&name, &screen.crop(x, y, width, height), &picture);
    if host.kind == Kind::Selkie {
        assert!(matches!(raw.ended(), Ended::Closed(_)), "its picture is its last act");
    }
}

/// The raw client sends a request that ends it.
fn gets_its_error(mut host: Host) {
    let mut raw = Raw::connect(&host.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    let (read, _write) = std::io::pipe().unwrap();
    let shm_id = shm.id().protocol_id();
    raw.pool(&shm, &read, 4096);
    let Ended::Error { interface, object, code, message } = raw.ended() else { panic!("no protocol error") };
    let invalid_fd = wl_shm::Error::InvalidFd as u32;
    assert_eq!((interface.as_str(), object, code), ("wl_shm", shm_id, invalid_fd), "{message}");
    // Whoever asks later gets the same answer.
    assert!(matches!(raw.roundtrip(), Err(Ended::Error { code, .. }) if code == invalid_fd));
    host.process.assert_alive();
}

#[test]
fn weston_shows_the_raw_client() {
    require_programs!("weston", "weston-screenshooter");
    shows_a_picture(Host::weston(640, 480).unwrap());
}

#[test]
fn weston_refuses_the_raw_client() {
    require_programs!("weston");
    gets_its_error(Host::weston(64, 64).unwrap());
}

#[test]
fn selkie_shows_the_raw_client() {
    shows_a_picture(Host::selkie(&["--size", "640x480"]));
}

#[test]
fn selkie_refuses_the_raw_client() {
    gets_its_error(Host::selkie(&["--size", "64x64"]));
}

#[test]
fn selkie_ends_cleanly_on_sigterm() {
    let mut host = Host::selkie(&["--size", "63x31"]);
    let (socket, lock) = (host.socket(), host.dir.path().join(format!("{}.lock", host.socket_name())));
    assert!(socket.exists() && lock.exists());
    let status = host.terminate();
    assert!(status.success(), "{status}: {}", host.process.log());
    assert!(!socket.exists() && !lock.exists());
}

#[test]
fn selkie_gives_a_picture_of_its_empty_screen() {
    let mut host = Host::selkie(&["--size", "63x31"]);
    let expected = Image::filled(63, 31, host.background());
    assert_same("empty", &host.screenshot(), &expected);
}

#[test]
fn an_error_is_found_though_the_write_failed() {
    require_programs!("weston");
    let host = Host::weston(64, 64).unwrap();
    let mut raw = Raw::connect(&host.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    raw.roundtrip().unwrap();
    let (read, write) = std::io::pipe().unwrap();
    raw.pool(&shm, &read, 4096);
    raw.flush().unwrap();
    drop((read, write));
    // Writing goes on without a look at what came, until the socket is closed at the other end.
    let ended = loop {
        raw.display().sync(&raw.qh(), ());
        if let Err(ended) = raw.flush() {
            break ended;
        }
    };
    let Ended::Error { interface, code, .. } = ended else { panic!("{ended:?}") };
    assert_eq!((interface.as_str(), code), ("wl_shm", wl_shm::Error::InvalidFd as u32));
}
