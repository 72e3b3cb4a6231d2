//! Programs that nobody here wrote, used by hand.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use selkie_compositor::{Axis, AxisSource};

use super::client::Client;
use super::fixture::{Fixture, LEFT, RIGHT};

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
    use std::io::Write;
    let fd = client.state.sent.pop().unwrap();
    std::fs::File::from(fd).write_all(b"copied\n").unwrap();
    eventually("foot pasted", || std::fs::read(file.path()).unwrap() == b"copied");
}

/// Its cursor, its drag with an icon, and its window, which follows.
#[test]
fn weston_programs_are_dragged_clicked_and_scrolled() {
    for program in ["weston-dnd", "weston-clickdot", "weston-flower", "weston-scaler"] {
        let fixture = Fixture::new();
        let mut command = Command::new(program);
        let Some(mut running) = Program::start(&fixture, command.stdout(Stdio::null()).stderr(Stdio::null()))
        else {
            continue;
        };
        eventually(program, || shows(&fixture));
        for button in [LEFT, RIGHT] {
            for y in (5..100).step_by(15) {
                fixture.point(50.0, f64::from(y));
                fixture.button(button, true);
                for x in (0..200).step_by(10) {
                    fixture.point(f64::from(x), f64::from(y));
                }
                fixture.button(button, false);
                let turn = Axis { value: 15.0, value120: 120, ..Axis::default() };
                fixture.scroll(AxisSource::Wheel, Axis::default(), turn);
                fixture.key(1, true);
                fixture.key(1, false);
            }
        }
        super::fixture::settle(&fixture.remote);
        assert!(running.0.try_wait().unwrap().is_none(), "{program} ended");
        let clients = fixture.remote.summary().unwrap().clients;
        assert!(clients[0].connected && clients[0].error.is_none(), "{program}: {clients:?}");
    }
}
