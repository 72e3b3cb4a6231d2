//! `wl_keyboard`.

use std::os::fd::AsFd;

use rustix::fs::{OFlags, fcntl_getfl};
use selkie_compositor::InputEvent;
use shm_core::frozen::Frozen;
use shm_core::memfd;
use shm_core::seals::Seals;

use super::client::Client;
use super::fixture::Fixture;

const KEYMAP: &str = include_str!("../../../assets/keymap.xkb");

#[test]
fn the_keymap_comes_in_memory_that_nobody_can_change() {
    let fixture = Fixture::new();
    let client = Client::new(&fixture);
    let (fd, size) = client.state.keymap.as_ref().unwrap();
    assert_eq!(*size as usize, KEYMAP.len() + 1);
    let text = Frozen::new(fd.as_fd(), u64::from(*size)).unwrap();
    assert_eq!(&text[..KEYMAP.len()], KEYMAP.as_bytes());
    let seals = Seals::of(fd).unwrap();
    assert!(seals.contains(Seals::WRITE | Seals::SHRINK | Seals::GROW));
    assert_eq!(fcntl_getfl(fd).unwrap() & OFlags::ACCMODE, OFlags::RDONLY);
}

#[test]
fn keys_and_modifiers_go_to_the_window_with_the_focus() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    client.events();
    fixture.key(30, true);
    fixture.key(30, true);
    fixture.key(42, true);
    fixture.key(42, false);
    fixture.key(30, false);
    fixture.key(30, false);
    assert_eq!(
        client.events(),
        [
            "key 30 down at 8",
            "key 42 down at 8",
            "modifiers 1,0,0,0",
            "key 42 up at 8",
            "modifiers 0,0,0,0",
            "key 30 up at 8"
        ]
    );
    // Caps lock stays.
    fixture.key(58, true);
    fixture.key(58, false);
    assert_eq!(
        client.events(),
        ["key 58 down at 8", "modifiers 2,0,2,0", "key 58 up at 8", "modifiers 0,0,2,0"]
    );
}

#[test]
fn who_gets_the_focus_learns_which_keys_are_down() {
    let fixture = Fixture::new();
    let mut a = Client::new(&fixture);
    let _window = a.window("a");
    a.events();
    fixture.key(42, true);
    fixture.key(30, true);
    a.events();
    let mut b = Client::new(&fixture);
    let other = b.window("b");
    assert_eq!(b.events(), ["selection nothing", "keyboard b [42, 30]", "modifiers 1,0,0,0"]);
    assert_eq!(a.events(), ["no keyboard a"]);
    fixture.key(42, false);
    assert_eq!(b.events(), ["key 42 up at 8", "modifiers 0,0,0,0"]);
    // The window goes; the other one has the keyboard again.
    other.toplevel.destroy();
    other.xdg.destroy();
    other.surface.destroy();
    b.events();
    assert_eq!(a.events(), ["selection nothing", "keyboard a [30]", "modifiers 0,0,0,0"]);
}

#[test]
fn another_keyboard_of_the_client_is_told_what_there_is() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    fixture.key(30, true);
    client.events();
    let _another = client.seat.get_keyboard(&client.handle(), ());
    assert_eq!(client.events(), ["keymap 1", "repeat 25,600", "keyboard a [30]", "modifiers 0,0,0,0"]);
    let mut old = Client::with_versions(&fixture, 3, 1);
    let _another = old.seat.get_keyboard(&old.handle(), ());
    assert_eq!(old.events(), ["keymap 1"]);
}

#[test]
fn a_hosts_keyboard_comes_and_goes_with_its_modifiers() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    client.events();
    fixture.input(InputEvent::KeyboardLeave);
    assert_eq!(client.events(), ["no keyboard a"]);
    fixture.key(30, true);
    assert_eq!(client.events(), Vec::<String>::new());
    fixture.input(InputEvent::KeyboardEnter(vec![42]));
    fixture.input(InputEvent::Modifiers { depressed: 1, latched: 0, locked: 16, group: 0 });
    assert_eq!(
        client.events(),
        ["selection nothing", "keyboard a [42]", "modifiers 1,0,0,0", "modifiers 1,0,16,0"]
    );
    // The host says what a key does to the modifiers.
    fixture.key(42, false);
    fixture.input(InputEvent::Modifiers { depressed: 0, latched: 0, locked: 16, group: 0 });
    fixture.input(InputEvent::Modifiers { depressed: 0, latched: 0, locked: 16, group: 0 });
    assert_eq!(client.events(), ["key 42 up at 8", "modifiers 0,0,16,0"]);
}

#[test]
fn a_hosts_keymap_replaces_ours() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    client.events();
    let text = KEYMAP.replacen("xkb_keymap {", "xkb_keymap {\n", 1);
    let fd = memfd::create("host-keymap", text.len() as u64 + 1, None).unwrap();
    rustix::io::pwrite(&fd, text.as_bytes(), 0).unwrap();
    fixture.remote.input_keymap(fd, text.len() as u32 + 1);
    // Whether the keyboard is ours is for the host to say from now on.
    assert_eq!(client.events(), ["no keyboard a", "keymap 1"]);
    let (fd, size) = client.state.keymap.take().unwrap();
    let got = Frozen::new(fd.as_fd(), u64::from(size)).unwrap();
    assert_eq!(&got[..got.len() - 1], text.as_bytes());
    // One that does not compile does not.
    let fd = memfd::create("host-keymap", 16, None).unwrap();
    fixture.remote.input_keymap(fd, 16);
    fixture.input(InputEvent::KeyboardEnter(vec![]));
    assert_eq!(client.events(), ["selection nothing", "keyboard a []", "modifiers 0,0,0,0"]);
}
