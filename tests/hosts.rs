//! The harness itself: the hosts that the end-to-end tests nest in start, show a client of others,
//! give a picture, and leave nothing behind.

mod support;

use support::{Host, Image, require_programs};

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
