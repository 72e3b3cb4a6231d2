//! A headless compositor in a thread.

use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use selkie_compositor::buffer::Policy;
use selkie_compositor::geometry::Size;
use selkie_compositor::{
    Axis, AxisSource, BackendKind, Compositor, Config, InputEvent, Limits, Placement, Remote, Summary,
};

/// `BTN_LEFT` and `BTN_RIGHT` of linux/input-event-codes.h.
pub const LEFT: u32 = 0x110;
pub const RIGHT: u32 = 0x111;

/// A compositor with an output of 200x100 pixels: windows go to its left and its right half.
pub struct Fixture {
    pub remote: Remote,
    /// Its socket's name.
    pub socket: String,
    thread: Option<JoinHandle<Summary>>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::sized(200, 100)
    }

    pub fn sized(w: i32, h: i32) -> Self {
        static DIRECTORY: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        DIRECTORY.call_once(|| {
            if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
                let dir = tempfile::Builder::new().prefix("selkie-seat").tempdir().unwrap().keep();
                // SAFETY: every test waits here first, so no other thread is in any C code yet.
                unsafe { std::env::set_var("XDG_RUNTIME_DIR", dir) };
            }
        });
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = format!("selkie-seat-{}-{count}", std::process::id());
        let config = Config {
            backend: BackendKind::Headless,
            socket: Some(socket.clone()),
            size: Size::new(w, h),
            refresh_hz: 0,
            // They are counted per process, and here are several compositors in one.
            limits: Limits { stray_fds: u64::MAX, ..Limits::default() },
            placement: Placement::Grid { columns: 2, rows: 1 },
            ..Config::default()
        };
        let (tx, rx) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let compositor = Compositor::start(config).unwrap();
            tx.send(compositor.remote()).unwrap();
            compositor.run().unwrap()
        });
        Self { remote: rx.recv().unwrap(), socket, thread: Some(thread) }
    }

    /// One end of a connection.
    pub fn connect(&self, label: &str) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.remote.insert_client(theirs, label, Policy::Enforce);
        ours
    }

    pub fn input(&self, event: InputEvent) {
        self.remote.input(event);
    }

    pub fn frame(&self) {
        self.input(InputEvent::PointerFrame);
    }

    /// Moves the pointer.
    pub fn point(&self, x: f64, y: f64) {
        self.input(InputEvent::PointerMotion { x, y, time_us: 5_000 });
        self.frame();
    }

    pub fn button(&self, button: u32, pressed: bool) {
        self.input(InputEvent::PointerButton { button, pressed, time_us: 6_000 });
        self.frame();
    }

    pub fn scroll(&self, source: AxisSource, horizontal: Axis, vertical: Axis) {
        self.input(InputEvent::PointerAxis { source: Some(source), horizontal, vertical, time_us: 7_000 });
        self.frame();
    }

    pub fn key(&self, key: u32, pressed: bool) {
        self.input(InputEvent::Key { key, pressed, time_us: 8_000 });
    }
}

/// Waits until the compositor has dealt with everything so far, the frame that is due included.
pub fn settle(remote: &Remote) {
    for _ in 0..2 {
        remote.summary().unwrap();
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.remote.stop();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}
