//! The command line: bad input gets a sentence and an exit status, at the start where it can be known
//! then; and a compositor that ends, however it does, leaves nothing behind.

// A test that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::SealFlags;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;
use support::raw::{Raw, Window, memfd};
use support::{Host, Image, Process, RuntimeDir, Witness, eventually, impossible, require_programs};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_shm::WlShm;

/// `selkie` with arguments, headless and on a socket called `test` if it is a compositor.
fn selkie(dir: &RuntimeDir, args: &[&str]) -> Command {
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(args).env("SELKIE_LOG", "error").env("RUST_BACKTRACE", "0");
    command
}

fn compositor(dir: &RuntimeDir, args: &[&str]) -> Command {
    let mut command = selkie(dir, &["compositor", "--backend", "headless", "--socket", "test"]);
    command.args(args);
    command
}

/// What a program that ends by itself came to.
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(dir: &RuntimeDir, command: Command) -> Outcome {
    let mut process = Process::spawn_piped("selkie", command, dir.path().parent().unwrap());
    let (status, out) = process.wait_for_output();
    Outcome { code: status.code(), out, err: process.log() }
}

/// It said that, exactly; failed; never accepted a client; and left no socket.
fn refuses(dir: &RuntimeDir, command: Command, sentence: &str) {
    let outcome = run(dir, command);
    assert_eq!(outcome.err, format!("selkie: {sentence}\n"));
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    nothing_left(dir);
}

fn nothing_left(dir: &RuntimeDir) {
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn wrong_usage_is_status_2_and_says_what_is_right() {
    let cases: [(&[&str], &str); 9] = [
        (&["compositor", "--colour"], "error: unexpected argument '--colour' found"),
        (&["compose"], "error: unrecognized subcommand 'compose'"),
        (
            &["compositor", "--size", "0x0"],
            "error: invalid value '0x0' for '--size <WxH>': write WIDTHxHEIGHT in pixels, both from 1 to 16384, \
             as in 1280x720",
        ),
        (
            &["compositor", "--policy", "lax"],
            "error: invalid value 'lax' for '--policy <POLICY>': there is no policy \"lax\": use enforce, \
             adopt, copy or guard",
        ),
        (
            &["compositor", "--policy-for", "foot"],
            "error: invalid value 'foot' for '--policy-for <PROGRAM=POLICY>': \"foot\" names no program: write \
             PROGRAM=POLICY, as in firefox=copy",
        ),
        (&["compositor", "--backend", "x11"], "error: invalid value 'x11' for '--backend <BACKEND>'"),
        (
            &["compositor", "--frames", "0"],
            "error: invalid value '0' for '--frames <N>': 0 is not in 1..18446744073709551615",
        ),
        (&["compositor", "--refresh", "-1"], "error: unexpected argument '-1' found"),
        (&["compositor", "foot"], "error: unexpected argument 'foot' found"),
    ];
    for (args, sentence) in cases {
        let dir = RuntimeDir::new();
        let outcome = run(&dir, selkie(&dir, args));
        assert_eq!(outcome.code, Some(2), "{args:?}");
        assert_eq!(outcome.err.lines().next(), Some(sentence), "{args:?}");
        nothing_left(&dir);
    }
}

#[test]
fn the_socket_goes_into_a_runtime_directory_or_nowhere() {
    const SENTENCE: &str = "XDG_RUNTIME_DIR is not set: selkie puts its socket there and nowhere else; set it \
                            to a directory that only you may enter";
    let dir = RuntimeDir::new();
    let mut command = compositor(&dir, &[]);
    command.env_remove("XDG_RUNTIME_DIR");
    refuses(&dir, command, SENTENCE);
    for no_place in ["", "run"] {
        let mut command = compositor(&dir, &[]);
        command.env("XDG_RUNTIME_DIR", no_place);
        refuses(&dir, command, SENTENCE);
    }
    let mut command = compositor(&dir, &[]);
    command.env("XDG_RUNTIME_DIR", "/nowhere/at/all");
    refuses(
        &dir,
        command,
        "cannot make the socket \"test\" in XDG_RUNTIME_DIR: is it a directory that you may write to?: \
         No such file or directory (os error 2)",
    );
    for name in ["", "a/b", "/tmp/test"] {
        let command = selkie(&dir, &["compositor", "--backend", "headless", "--socket", name]);
        let sentence =
            format!("{name:?} is no socket name: it must be a name in XDG_RUNTIME_DIR, without slashes");
        refuses(&dir, command, &sentence);
    }
}

#[test]
fn a_socket_in_use_is_left_alone() {
    let host = Host::selkie(&["--socket", "test", "--refresh", "0"]);
    let mut bystander = Witness::new(&host.socket());
    let outcome = run(&host.dir, compositor(&host.dir, &[]));
    assert_eq!(
        outcome.err,
        "selkie: a compositor is already running at socket \"test\": choose another name with --socket\n"
    );
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    bystander.goes_on();
    drop(Witness::new(&host.socket()));
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let dir = RuntimeDir::new();
    let mut command = selkie(&dir, &["compositor", "--backend", "wayland"]);
    command.env("WAYLAND_DISPLAY", "wayland-77");
    let outcome = run(&dir, command);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    assert!(outcome.err.contains("wayland-77"), "{}", outcome.err);
    nothing_left(&dir);

    let outcome = run(&dir, selkie(&dir, &["compositor", "--backend", "wayland"]));
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    assert!(outcome.err.contains("WAYLAND_DISPLAY"), "{}", outcome.err);
    nothing_left(&dir);
}

#[test]
fn files_that_cannot_be_written_are_refused_at_the_start() {
    let no_dir = "/nowhere/at/all";
    for (option, sentence) in [
        (
            "--report",
            "cannot create the report /nowhere/at/all: choose a file in a directory that you may write to",
        ),
        ("--capture", "cannot write /nowhere/at/all: is its directory there, and may you write to it?"),
        ("--record", "cannot write /nowhere/at/all: is its directory there, and may you write to it?"),
    ] {
        let dir = RuntimeDir::new();
        let started = dir.file("started");
        let mut command = compositor(&dir, &[option, no_dir, "--", "touch"]);
        command.arg(&started);
        let outcome = run(&dir, command);
        // What the system said may name the temporary file.
        assert!(
            outcome.err.starts_with(&format!("selkie: {sentence}: No such file or directory")),
            "{}",
            outcome.err
        );
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
        assert!(!started.exists(), "the command was not started");
        nothing_left(&dir);

        let outcome = run(&dir, compositor(&dir, &[option, "/"]));
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{option} /: {}", outcome.err);
        nothing_left(&dir);
    }
}

#[test]
fn a_command_that_cannot_be_run_is_named() {
    let dir = RuntimeDir::new();
    for (program, why) in [
        ("no-such-program", "No such file or directory (os error 2)"),
        ("/", "Permission denied (os error 13)"),
    ] {
        let outcome = run(&dir, compositor(&dir, &["--", program, "argument"]));
        let sentence =
            format!("selkie: cannot run {program:?}: is it installed, and spelled right?: {why}\n");
        assert_eq!((outcome.code, outcome.err), (Some(1), sentence));
        nothing_left(&dir);
    }
}

#[test]
fn the_status_of_the_command_is_passed_on() {
    let dir = RuntimeDir::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)] {
        let outcome = run(&dir, compositor(&dir, &["--", "sh", "-c", script]));
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(code), "WAYLAND_DISPLAY=test\n"), "{script}");
        assert_eq!(outcome.err, "", "{script}");
        nothing_left(&dir);
    }
}

#[test]
fn the_command_gets_a_display_and_nothing_that_is_the_compositors() {
    require_programs!("prlimit");
    let dir = RuntimeDir::new();
    // Signals blocked and ignored, and open files, are as where the test runs.
    let inherited = "grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/self/fd | wc -l";
    let own = Command::new("sh").args(["-c", inherited]).stdin(Stdio::null()).output().unwrap();
    let script = format!(
        "echo $WAYLAND_DISPLAY ${{WAYLAND_SOCKET-none}} $XDG_RUNTIME_DIR; ulimit -Sn; ulimit -Hn; {inherited}"
    );
    let mut command = dir.command("prlimit");
    command.args(["--nofile=300:4000", env!("CARGO_BIN_EXE_selkie"), "compositor", "--backend", "headless"]);
    command.args(["--socket", "test", "--", "sh", "-c", &script]).env("WAYLAND_SOCKET", "99");
    let outcome = run(&dir, command);
    let expected = format!(
        "WAYLAND_DISPLAY=test\ntest none {}\n300\n4000\n{}",
        dir.path().display(),
        String::from_utf8_lossy(&own.stdout)
    );
    assert_eq!(outcome.out, expected, "{}", outcome.err);
}

/// A client with a window and a buffer to show in it.
fn window(socket: &Path) -> (Raw, Window, WlBuffer) {
    let mut raw = Raw::connect(socket);
    let shm: WlShm = raw.bind(1);
    let pool = raw.pool(&shm, memfd(16384, Some(SealFlags::SHRINK)), 16384);
    let buffer = raw.buffer(&pool, 64, 64);
    let window = raw.window().unwrap();
    (raw, window, buffer)
}

#[test]
fn a_signal_ends_everything_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = RuntimeDir::new();
        let (record, report) = (dir.file("all.png"), dir.file("report.jsonl"));
        let mut command = compositor(&dir, &["--refresh", "0"]);
        command.arg("--record").arg(&record).arg("--report").arg(&report);
        // A command that ends only when it is told to.
        command.args([
            "--",
            "sh",
            "-c",
            "trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 1 & wait; done",
        ]);
        let mut process = dir.spawn("selkie", command);
        eventually("the command to run", || {
            process.assert_alive();
            if process.log().contains("ready") { Ok(()) } else { Err(process.log()) }
        });
        let (mut raw, window, buffer) = window(&dir.path().join("test"));
        raw.present(&window.surface, &buffer).unwrap();
        process.signal(signal);
        assert!(process.wait().success(), "{}", process.log());
        assert!(process.log().contains("told"), "the command was told: {}", process.log());
        assert!(raw.roundtrip().is_err(), "the client was told");
        nothing_left(&dir);
        assert!(Image::load(&record).is_ok());
        let report = fs::read_to_string(report).unwrap();
        assert!(report.lines().any(|line| line.contains("\"event\":\"frame\"")), "{report}");
    }
}

#[test]
fn it_ends_after_the_frames_asked_for() {
    let dir = RuntimeDir::new();
    let picture = dir.file("last.png");
    let mut command = compositor(&dir, &["--refresh", "0", "--size", "100x80", "--frames", "3"]);
    command.arg("--capture").arg(&picture);
    let mut process = dir.spawn("selkie", command);
    let socket = dir.path().join("test");
    support::process::wait_for_socket(&mut process, &socket);
    let (mut raw, window, buffer) = window(&socket);
    for _ in 0..2 {
        raw.present(&window.surface, &buffer).unwrap();
    }
    process.assert_alive();
    // It may be gone before it says so.
    let _ = raw.present(&window.surface, &buffer);
    assert!(process.wait().success(), "{}", process.log());
    nothing_left(&dir);
    let picture = Image::load(&picture).unwrap();
    assert_eq!((picture.width, picture.height), (100, 80));
}

#[test]
fn a_full_disk_spoils_the_report_and_nothing_else() {
    let dir = RuntimeDir::new();
    let picture = dir.file("last.png");
    let mut command = compositor(&dir, &["--refresh", "0", "--report", "/dev/full"]);
    command.arg("--capture").arg(&picture);
    let mut process = dir.spawn("selkie", command);
    let socket = dir.path().join("test");
    support::process::wait_for_socket(&mut process, &socket);
    let (mut raw, window, buffer) = window(&socket);
    for _ in 0..10 {
        raw.present(&window.surface, &buffer).unwrap();
    }
    assert_eq!(process.terminate().code(), Some(1));
    let sentence = "selkie: cannot write the report /dev/full; what it holds is incomplete: No space left on \
                    device (os error 28)\n";
    assert!(process.log().ends_with(sentence), "{}", process.log());
    assert!(Image::load(&picture).is_ok());
    nothing_left(&dir);
}

/// A file system of 64 KiB.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        mount("small", dir.path(), "tmpfs", MountFlags::empty(), c"size=64k")
            .map_err(|e| format!("cannot mount a small file system: {e}"))?;
        Ok(Self(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_spoils_the_recording_and_nothing_else() {
    let small = match Small::mount() {
        Ok(small) => small,
        Err(why) => return impossible(&why),
    };
    let dir = RuntimeDir::new();
    let (record, picture) = (small.0.path().join("all.png"), dir.file("last.png"));
    fs::write(&record, "what was there before").unwrap();
    let mut command = compositor(&dir, &["--refresh", "0"]);
    command.arg("--record").arg(&record).arg("--capture").arg(&picture);
    let mut process = dir.spawn("selkie", command);
    let socket = dir.path().join("test");
    support::process::wait_for_socket(&mut process, &socket);
    let mut raw = Raw::connect(&socket);
    let shm: WlShm = raw.bind(1);
    // Noise, which does not compress.
    let (memory, size) = (memfd(600 * 400 * 4, Some(SealFlags::SHRINK)), 600 * 400 * 4);
    let pool = raw.pool(&shm, &memory, size);
    let buffer = raw.buffer(&pool, 600, 400);
    let window = raw.window().unwrap();
    let mut random = 1_u32;
    for _ in 0..8 {
        let noise: Vec<u32> = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random
        })
        .take(600 * 400)
        .collect();
        support::raw::write_pixels(&memory, 0, &noise);
        raw.present(&window.surface, &buffer).unwrap();
    }
    assert_eq!(process.terminate().code(), Some(1), "{}", process.log());
    let sentence =
        format!("selkie: cannot go on writing {}: No space left on device (os error 28)\n", record.display());
    assert!(process.log().ends_with(&sentence), "{}", process.log());
    assert!(Image::load(&picture).is_ok());
    // The file is replaced when the new one is whole, and here it never was.
    assert_eq!(fs::read(&record).unwrap(), b"what was there before");
    assert_eq!(fs::read_dir(small.0.path()).unwrap().count(), 1);
    nothing_left(&dir);
}

#[test]
fn a_client_says_which_display_it_did_not_find() {
    let dir = RuntimeDir::new();
    for (display, wanted) in [(None, "WAYLAND_DISPLAY"), (Some("wayland-77"), "wayland-77")] {
        let mut command = selkie(&dir, &["client"]);
        if let Some(display) = display {
            command.env("WAYLAND_DISPLAY", display);
        }
        let outcome = run(&dir, command);
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
        assert!(outcome.err.starts_with("selkie: ") && outcome.err.contains(wanted), "{}", outcome.err);
    }
}

#[test]
fn a_demo_that_cannot_leave_its_pictures_does_not_begin() {
    let dir = RuntimeDir::new();
    // A file where the directory should be.
    let out = dir.file("out");
    fs::write(&out, "").unwrap();
    let mut command = selkie(&dir, &["demo", "--headless", "--out"]);
    command.arg(&out);
    let outcome = run(&dir, command);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{}", outcome.err);
    assert!(outcome.err.starts_with("selkie: ") && outcome.err.contains("/out"), "{}", outcome.err);
    nothing_left(&dir);
}
