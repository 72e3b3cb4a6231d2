//! A tiny compositor that is honest, but for the faults that it is told to have: what `selkie check` must find.
//!
//! It shows nothing to anybody. A commit copies the buffer into the surface's picture and gives the buffer back; frame
//! callbacks are answered at once. Without a fault it does all that right, so that what is found is the fault.
//!
//! It runs as a process of its own: a test file has an ignored test that calls [`serve_if_asked`], and starts itself with
//! [`command`].

mod commit;
mod dmabuf;
mod held;
mod numbers;
mod pages;
mod presentation;
mod screencopy;
mod seat;
mod shell;
mod shm;
mod sockets;
mod subsurface;
mod surface;
mod syncobj;
mod viewport;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shm_core::dmabuf::DmaBuf;
use wayland_server::backend::ObjectId;
use wayland_server::protocol::wl_callback;
use wayland_server::{Display, DisplayHandle, ListeningSocket};

/// The environment variable with the faults: names with commas between them.
const FAULTS: &str = "SELKIE_BROKEN";
/// The name of the ignored test that is the server.
const TEST: &str = "the_broken_server";

/// The server's state.
pub struct State {
    faults: HashSet<String>,
    /// Whether a case has connected: until then there is no fault, so that the server starts like any other.
    armed: bool,
    surfaces: HashMap<ObjectId, surface::Surface>,
    /// The inodes of all memory that there ever was.
    files: HashSet<u64>,
    /// Frame callbacks that are due.
    due: Vec<wl_callback::WlCallback>,
    handle: DisplayHandle,
    /// Keymaps that are kept.
    keymaps: Vec<OwnedFd>,
    /// Whether a keyboard has got one.
    has_sent_keymap: bool,
    /// Frames of which there is a copy already.
    copied: HashSet<ObjectId>,
    /// Surfaces that have had subsurfaces.
    parents: HashSet<ObjectId>,
    /// How many surfaces there ever were.
    made: usize,
    records: Vec<Vec<u8>>,
    /// The table of formats, if all clients get the same file.
    table: Option<Arc<OwnedFd>>,
    /// What imports timelines.
    device: Option<Arc<shm_core::timeline::Device>>,
}

impl State {
    /// What is known of an object is kept for longer than the object.
    fn record(&mut self) {
        if self.has("forgets-to-free") {
            self.records.push(vec![1; 2048]);
        }
    }

    /// Whether it is to have a fault.
    fn has(&self, fault: &str) -> bool {
        self.armed && self.faults.contains(fault)
    }
}

/// The body of the ignored test: serves clients until it is killed.
pub fn serve_if_asked() {
    let Ok(faults) = std::env::var(FAULTS) else { return };
    let faults: HashSet<String> = faults.split(',').map(str::to_owned).collect();
    let path = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR").unwrap()).join("wayland-broken");
    let listener = ListeningSocket::bind_absolute(path).unwrap();
    let mut display: Display<State> = Display::new().unwrap();
    let handle = display.handle();
    let mut state = State {
        faults,
        armed: false,
        surfaces: HashMap::new(),
        files: HashSet::new(),
        due: Vec::new(),
        handle: display.handle(),
        keymaps: Vec::new(),
        has_sent_keymap: false,
        copied: HashSet::new(),
        parents: HashSet::new(),
        made: 0,
        records: Vec::new(),
        table: None,
        device: shm_core::timeline::Device::open().ok(),
    };
    if state.faults.contains("waits-for-readers") {
        // Then it has to keep what is not read, too.
        display.handle().set_default_max_buffer_size(1 << 30);
    }
    // shm-core keeps a file open from the first time on that it is asked: no client's fault, but a case would be run twice.
    drop(DmaBuf::new(fs::File::open("/dev/null").unwrap().into()));
    surface::globals(&handle);
    shm::globals(&handle);
    shell::globals(&handle);
    subsurface::globals(&handle);
    presentation::globals(&handle);
    viewport::globals(&handle);
    seat::globals(&handle);
    screencopy::globals(&handle);
    dmabuf::globals(&handle);
    syncobj::globals(&handle);
    let mut sockets = sockets::Sockets::new();
    loop {
        let fd = display.as_fd().try_clone_to_owned().unwrap();
        let mut fds =
            [PollFd::new(&fd, PollFlags::IN), PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
        // Who waits for fences should have them in its loop; here it will do to look again soon.
        let soon = state.holds().then_some(Timespec { tv_sec: 0, tv_nsec: 5_000_000 });
        poll(&mut fds, soon.as_ref()).unwrap();
        state.let_go();
        // Out of fds, it takes in nobody.
        while let Ok(Some(stream)) = listener.accept() {
            state.armed |= is_a_case(&stream);
            sockets.insert(&mut display.handle(), stream);
        }
        sockets.serve(&mut display, &mut state);
    }
}

/// Whether the process at the other end runs a case: its command line says so.
fn is_a_case(stream: &UnixStream) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return false };
    let line = fs::read(format!("/proc/{}/cmdline", peer.pid.as_raw_nonzero())).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"check-case")
}

/// The command line, for `--launch`, that starts this very test binary as a server with these faults.
pub fn launch(faults: &str) -> String {
    let own = std::env::current_exe().unwrap();
    format!("env {FAULTS}={faults} {} --exact {TEST} --ignored --nocapture", own.display())
}

/// The verdict of `selkie check` on one case against a server with these faults, in one word, and all that it said.
pub fn verdict(case: &str, faults: &str) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_selkie"))
        .args(["check", "--format", "json", "--only", case, "--launch", &launch(faults)])
        .args(["--patience", &std::env::var("SELKIE_PATIENCE").unwrap_or_else(|_| "1".to_owned())])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {text}"));
    let result = &json["compositors"][0]["results"][0];
    assert_eq!(result["id"], case, "{text}");
    let word = result["verdict"].as_str().unwrap().to_owned();
    assert_eq!(output.status.success(), matches!(word.as_str(), "pass" | "skip"), "{text}");
    (word, text)
}

/// Each case of a group with the fault that it must find, and as what: `(case, fault, verdict)`.
///
/// Each is tried without the fault, too, and must pass then.
pub fn all_are_found(group: &str, table: &[(&str, &str, &str)]) {
    all_but(group, table, &[]);
}

/// [`all_are_found`] where some cases cannot be run on this machine.
pub fn all_but(group: &str, table: &[(&str, &str, &str)], left_out: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_selkie"))
        .args(["check", "--list", "--format", "json", "--group", group])
        .output()
        .unwrap();
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ids: HashSet<String> =
        list.as_array().unwrap().iter().map(|case| case["id"].as_str().unwrap().to_owned()).collect();
    let proven: HashSet<String> = table.iter().map(|(case, ..)| format!("{group}.{case}")).collect();
    assert_eq!(ids, proven, "each case is to be proven able to fail");
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((case, fault, expected)) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
            if left_out.contains(case) {
                continue;
            }
            let id = format!("{group}.{case}");
            let (honest, text) = verdict(&id, "none");
            if honest != "pass" {
                wrong.lock().unwrap().push(format!("{id} without a fault: {text}"));
            }
            let (found, text) = verdict(&id, fault);
            if found != *expected {
                wrong.lock().unwrap().push(format!("{id} with {fault}: expected {expected}: {text}"));
            }
        }
    };
    // Those that find a hang do nothing but wait. An emulated processor has enough to do with two.
    let at_once = if std::env::var_os("SELKIE_PATIENCE").is_some() { 2 } else { 4 };
    std::thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Handle = DisplayHandle;
