//! The clipboard.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use wayland_client::protocol::wl_data_device_manager::DndAction;

use super::client::Client;
use super::fixture::{Fixture, LEFT};

/// Two clients with a window each; the second has the keyboard.
fn two(fixture: &Fixture) -> (Client, Client) {
    let (mut a, mut b) = (Client::new(fixture), Client::new(fixture));
    a.window("a");
    a.events();
    b.window("b");
    b.events();
    a.events();
    (a, b)
}

fn click(fixture: &Fixture, x: f64) {
    fixture.point(x, 50.0);
    fixture.button(LEFT, true);
    fixture.button(LEFT, false);
}

fn clipboard(events: Vec<String>) -> Vec<String> {
    let is = |e: &str| ["offer", "mime", "selection", "send", "cancelled"].iter().any(|k| e.starts_with(k));
    events.into_iter().filter(|e| is(e)).collect()
}

#[test]
fn what_one_copies_the_other_pastes() {
    let fixture = Fixture::new();
    let (mut a, mut b) = two(&fixture);
    let source = b.source(&["text/plain", "text/html"]);
    b.device.set_selection(Some(&source), b.serial("keyboard"));
    assert_eq!(b.events(), ["offer", "mime text/plain", "mime text/html", "selection offer"]);
    assert_eq!(a.events(), Vec::<String>::new());
    click(&fixture, 50.0);
    assert_eq!(
        a.events(),
        [
            "enter a 40,40",
            "frame",
            "offer",
            "mime text/plain",
            "mime text/html",
            "selection offer",
            "keyboard a []",
            "modifiers 0,0,0,0",
            "button 0x110 down at 6",
            "frame",
            "button 0x110 up at 6",
            "frame"
        ]
    );
    let (read, write) = rustix::pipe::pipe().unwrap();
    a.offer().receive("text/html".into(), write.as_fd());
    drop(write);
    a.events();
    assert_eq!(clipboard(b.events()), ["send text/html"]);
    File::from(b.state.sent.pop().unwrap()).write_all(b"<p>").unwrap();
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(text, "<p>");
}

#[test]
fn a_new_copy_replaces_the_old_one_and_its_end_leaves_nothing() {
    let fixture = Fixture::new();
    let (_a, mut b) = two(&fixture);
    let first = b.source(&["text/plain"]);
    b.device.set_selection(Some(&first), b.serial("keyboard"));
    b.events();
    let old = b.offer();
    fixture.key(30, true);
    b.events();
    let second = b.source(&["image/png"]);
    b.device.set_selection(Some(&second), b.serial("key"));
    assert_eq!(b.events(), ["cancelled", "offer", "mime image/png", "selection offer"]);
    // Nothing comes of the old offer: the pipe just ends.
    let (read, write) = rustix::pipe::pipe().unwrap();
    old.receive("text/plain".into(), write.as_fd());
    drop(write);
    assert_eq!(b.events(), Vec::<String>::new());
    assert_eq!(File::from(read).read(&mut [0; 8]).unwrap(), 0);
    second.destroy();
    assert_eq!(b.events(), ["selection nothing"]);
}

#[test]
fn serials_are_checked() {
    let fixture = Fixture::new();
    let (mut a, mut b) = two(&fixture);
    // Never given to this client.
    let source = a.source(&["text/plain"]);
    a.device.set_selection(Some(&source), b.serial("keyboard"));
    assert_eq!(a.events(), ["cancelled"]);
    // Without the keyboard a serial is good once.
    let serial = a.serial("keyboard");
    let source = a.source(&["text/plain"]);
    a.device.set_selection(Some(&source), serial);
    assert_eq!(a.events(), Vec::<String>::new());
    assert_eq!(b.events(), ["offer", "mime text/plain", "selection offer"]);
    let source = a.source(&["text/html"]);
    a.device.set_selection(Some(&source), serial);
    assert_eq!(a.events(), ["cancelled"]);
    // The other's is newer; then an older one does not count any more.
    b.device.set_selection(None, b.serial("keyboard"));
    assert_eq!(b.events(), ["selection nothing"]);
    assert_eq!(a.events(), ["cancelled"]);
    let source = a.source(&["text/plain"]);
    a.device.set_selection(Some(&source), serial);
    assert_eq!(a.events(), ["cancelled"]);
    assert_eq!(b.events(), Vec::<String>::new());
}

#[test]
fn the_source_of_a_client_that_is_gone_is_gone() {
    let fixture = Fixture::new();
    let (mut a, mut b) = two(&fixture);
    let source = a.source(&["text/plain"]);
    a.device.set_selection(Some(&source), a.serial("keyboard"));
    a.events();
    assert_eq!(b.events(), ["offer", "mime text/plain", "selection offer"]);
    let offer = b.offer();
    drop((a, source));
    assert_eq!(b.events(), ["selection nothing"]);
    let (read, write) = rustix::pipe::pipe().unwrap();
    offer.receive("text/plain".into(), write.as_fd());
    drop(write);
    b.events();
    assert_eq!(File::from(read).read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn only_what_was_offered_is_asked_for_and_only_through_harmless_files() {
    let fixture = Fixture::new();
    let (mut a, mut b) = two(&fixture);
    let source = a.source(&["text/plain"]);
    a.device.set_selection(Some(&source), a.serial("keyboard"));
    a.events();
    b.events();
    let offer = b.offer();
    let null = File::options().write(true).open("/dev/null").unwrap();
    offer.receive("text/plain".into(), null.as_fd());
    let (_read, write) = rustix::pipe::pipe().unwrap();
    offer.receive("text/rtf".into(), write.as_fd());
    b.events();
    assert_eq!(a.events(), Vec::<String>::new());
    let file = tempfile::tempfile().unwrap();
    offer.receive("text/plain".into(), file.as_fd());
    b.events();
    assert_eq!(a.events(), ["send text/plain"]);
}

#[test]
fn a_source_is_used_once() {
    let fixture = Fixture::new();
    let (mut a, mut b) = two(&fixture);
    let source = b.source(&["text/plain"]);
    b.device.set_selection(Some(&source), b.serial("keyboard"));
    b.device.set_selection(Some(&source), b.serial("keyboard"));
    let (interface, code, _) = b.error();
    assert_eq!((interface.as_str(), code), ("wl_data_device", 1));
    let source = a.source(&["text/plain"]);
    source.set_actions(DndAction::Copy);
    a.device.set_selection(Some(&source), a.serial("keyboard"));
    let (interface, code, _) = a.error();
    assert_eq!((interface.as_str(), code), ("wl_data_source", 1));
}

#[test]
fn offers_of_the_clipboard_know_no_drags() {
    for (request, code) in [(0, 3), (1, 0)] {
        let fixture = Fixture::new();
        let (mut a, mut b) = two(&fixture);
        let source = a.source(&["text/plain"]);
        a.device.set_selection(Some(&source), a.serial("keyboard"));
        a.events();
        b.events();
        match request {
            0 => b.offer().set_actions(DndAction::Copy, DndAction::Copy),
            _ => b.offer().finish(),
        }
        let (interface, got, _) = b.error();
        assert_eq!((interface.as_str(), got), ("wl_data_offer", code));
    }
}

#[test]
fn mime_types_are_bounded() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let source = client.source(&[]);
    source.offer("x".repeat(1025));
    let (interface, code, _) = client.error();
    assert_eq!((interface.as_str(), code), ("wl_display", 2));
    let mut client = Client::new(&fixture);
    let source = client.source(&[]);
    for _ in 0..(64 << 10) / (1000 + 32) {
        source.offer("x".repeat(1000));
    }
    client.events();
    source.offer("x".repeat(1000));
    let (interface, code, _) = client.error();
    assert_eq!((interface.as_str(), code), ("wl_display", 2));
}

#[test]
fn who_floods_another_clients_source_is_ended_and_the_other_goes_on() {
    let fixture = Fixture::new();
    let (mut a, mut b) = two(&fixture);
    let source = a.source(&["text/plain"]);
    a.device.set_selection(Some(&source), a.serial("keyboard"));
    a.events();
    b.events();
    let offer = b.offer();
    let (_read, write) = rustix::pipe::pipe().unwrap();
    let mut asked = 0;
    while b.goes_on() {
        assert!(asked < 16384);
        for _ in 0..16 {
            offer.receive("text/plain".into(), write.as_fd());
            asked += 1;
        }
    }
    let (interface, code, _) = b.error();
    assert_eq!((interface.as_str(), code), ("wl_display", 2));
    assert!(asked >= 1024);
    assert!(a.events().contains(&"send text/plain".to_owned()));
}
