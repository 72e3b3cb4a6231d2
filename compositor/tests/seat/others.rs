//! Programs that nobody here wrote, used by hand.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wayland_client::protocol::wl_data_device_manager::DndAction;

use super::client::Client;
use super::fixture::{Fixture, LEFT};

const PATIENCE: Duration = Duration::from_secs(30);

/// A program, connected to the fixture and ended with it.
struct Program(Child);

impl Program {
    /// Starts it; none where it is not installed, which is said (and, in CI, a failure).
    fn start(fixture: &Fixture, command: &mut Command) -> Option<Self> {
        let name = command.get_program().to_owned();
        let started = command
            .env("WAYLAND_DISPLAY", &fixture.socket)
            .env_remove("DISPLAY")
            .stdin(Stdio::null())
            .process_group(0)
            .spawn();
        if started.is_err() {
            assert!(std::env::var_os("SELKIE_REQUIRE_HOSTS").is_none(), "{name:?} is not installed");
            eprintln!("SKIPPED: {name:?} is not installed");
        }
        started.ok().map(Self)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// Whether the program's window has been shown.
fn shows(fixture: &Fixture) -> bool {
    fixture.remote.summary().unwrap().frames > 0
}

#[test]
fn foot_types_what_is_typed() {
    let fixture = Fixture::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("read -r line; printf %s \"$line\" > '{}'", file.path().display());
    let mut foot = Command::new("foot");
    foot.args(["--config=/dev/null", "--", "sh", "-c", &script]).stderr(Stdio::null());
    let Some(_foot) = Program::start(&fixture, &mut foot) else { return };
    eventually("foot shows", || shows(&fixture));
    // Shift and h, then ello, then enter.
    fixture.key(42, true);
    for key in [35, 18, 38, 38, 24, 28] {
        fixture.key(key, true);
        fixture.key(key, false);
        fixture.key(42, false);
    }
    eventually("foot typed", || std::fs::read(file.path()).unwrap() == b"Hello");
}

/// What is copied in one program is pasted into another.
#[test]
fn foot_pastes_what_was_copied() {
    let fixture = Fixture::new();
    let mut client = Client::new(&fixture);
    let _window = client.window("a");
    client.events();
    let source = client.source(&["text/plain;charset=utf-8", "UTF8_STRING", "text/plain"]);
    client.device.set_selection(Some(&source), client.serial("keyboard"));
    client.events();
    let frames = fixture.remote.summary().unwrap().frames;
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("read -r line; printf %s \"$line\" > '{}'", file.path().display());
    let mut foot = Command::new("foot");
    foot.args(["--config=/dev/null", "--", "sh", "-c", &script]).stderr(Stdio::null());
    let Some(_foot) = Program::start(&fixture, &mut foot) else { return };
    eventually("foot shows", || fixture.remote.summary().unwrap().frames > frames);
    // Control, shift and v.
    for (key, pressed) in [(29, true), (42, true), (47, true), (47, false), (42, false), (29, false)] {
        fixture.key(key, pressed);
    }
    eventually("foot asks for the text", || {
        client.events();
        !client.state.sent.is_empty()
    });
    let fd = client.state.sent.pop().unwrap();
    std::fs::File::from(fd).write_all(b"copied\n").unwrap();
    eventually("foot pasted", || std::fs::read(file.path()).unwrap() == b"copied");
}

/// It has flowers in half of the cells of a grid; one of them is dragged into our window.
#[test]
fn weston_dnd_lets_its_flowers_be_taken() {
    let fixture = Fixture::sized(1000, 600);
    let mut command = Command::new("weston-dnd");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let Some(_dnd) = Program::start(&fixture, &mut command) else { return };
    eventually("weston-dnd shows", || shows(&fixture));
    let mut client = Client::new(&fixture);
    client.window("a");
    client.events();
    // Its window of 348x369 is in the middle of the left half; the cells are 80 apart.
    let cells = (0..16).map(|i| (i % 4, i / 4)).cycle();
    let mut places = cells.map(|(x, y)| (f64::from(x) * 80.0 + 129.0, f64::from(y) * 80.0 + 190.0));
    let mut enter = Vec::new();
    eventually("a flower is dragged", || {
        let (x, y) = places.next().unwrap();
        fixture.button(LEFT, false);
        fixture.point(x, y);
        fixture.button(LEFT, true);
        // It needs a moment to start the drag, if there is a flower.
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until && !enter.iter().any(|e: &String| e.starts_with("drag enter a")) {
            fixture.point(749.0, 300.0);
            fixture.point(750.0, 300.0);
            enter = client.events();
        }
        enter.iter().any(|e| e.starts_with("drag enter a"))
    });
    let mime = enter.iter().find_map(|e| e.strip_prefix("mime ")).unwrap().to_owned();
    let offer = client.offer();
    offer.accept(0, Some(mime.clone()));
    offer.set_actions(DndAction::all(), DndAction::Copy);
    assert!(client.events().contains(&"action 1".to_owned()));
    fixture.button(LEFT, false);
    assert!(client.events().contains(&"drop".to_owned()));
    let (read, write) = rustix::pipe::pipe().unwrap();
    offer.receive(mime, write.as_fd());
    drop(write);
    client.events();
    let mut flower = Vec::new();
    std::fs::File::from(read).read_to_end(&mut flower).unwrap();
    assert!(!flower.is_empty());
    offer.finish();
    client.events();
    let clients = fixture.remote.summary().unwrap().clients;
    assert!(clients.iter().all(|c| c.connected), "{clients:?}");
}
