//! A compositor and its clients in one thread, driven by hand: no threads, no sleeps, no socket in
//! the file system. What a client asked for has happened, and what it was told has arrived, when
//! [`Fixture::roundtrip`] returns.

mod client;

pub(crate) use client::{Client, Seen, Window};

use std::os::unix::net::UnixStream;

use crate::buffer::Policy;
use crate::config::{BackendKind, Config};
use crate::geometry::Size;
use crate::run::Compositor;
use crate::seat::InputEvent;
use crate::server::Server;

/// More turns than any test needs; a client that has not heard back then never will.
const PATIENCE: usize = 1000;

/// From linux/input-event-codes.h.
const BTN_LEFT: u32 = 0x110;

/// A headless compositor that shows a frame as soon as something changed.
pub(crate) struct Fixture {
    compositor: Compositor,
}

impl Fixture {
    /// A compositor with an output of 300x200 pixels.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, after `change` to what it is asked to be.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            backend: BackendKind::Headless,
            size: Size::new(300, 200),
            refresh_hz: 0,
            ..Config::default()
        };
        // Tests that run beside this one in the same process have fds of their own.
        config.limits.stray_fds = u64::MAX;
        change(&mut config);
        Self { compositor: Compositor::without_socket(config).expect("a headless compositor starts") }
    }

    /// What runs.
    pub fn server(&mut self) -> &mut Server {
        self.compositor.server()
    }

    /// A client that has bound every global that it knows.
    pub fn connect(&mut self) -> Client {
        self.connect_as("test")
    }

    /// The same, for a client whose program has that name.
    pub fn connect_as(&mut self, program: &str) -> Client {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let inserted = self.server().insert_client(theirs, Some(program.into()), Some(Policy::Enforce));
        inserted.expect("the client is taken in");
        let key = self.server().last_id;
        let mut client = Client::new(ours, key);
        self.roundtrip(&mut client);
        client.bind();
        self.roundtrip(&mut client);
        client
    }

    /// Has the compositor deal with everything that the client sent, and the client with the answers.
    pub fn roundtrip(&mut self, client: &mut Client) {
        let goal = client.sync();
        for _ in 0..PATIENCE {
            client.flush();
            self.compositor.step();
            client.dispatch();
            if client.synced() >= goal || client.error().is_some() {
                return;
            }
        }
        panic!("the compositor does not answer");
    }

    /// The interface and code of the error that ends the client.
    pub fn error(&mut self, client: &mut Client) -> (String, u32) {
        self.roundtrip(client);
        client.error().expect("the client is ended with an error")
    }

    /// A pixel of the last frame, 0xRRGGBB.
    pub fn pixel(&mut self, x: usize, y: usize) -> u32 {
        self.compositor.step();
        let server = self.server();
        let width = server.output.size().w as usize;
        let pixel = |p: &[u32]| p[y * width + x] & 0xff_ffff;
        server.backend.last_frame(&server.scene, pixel).expect("a frame was shown")
    }

    /// The pointer moves to a place of the output.
    pub fn point(&mut self, x: f64, y: f64) {
        self.server().input(InputEvent::PointerMotion { x, y, time_us: 0 });
        self.server().input(InputEvent::PointerFrame);
    }

    /// The left button goes down.
    pub fn press(&mut self) {
        self.button(true);
    }

    /// The left button comes up.
    pub fn release(&mut self) {
        self.button(false);
    }

    fn button(&mut self, pressed: bool) {
        self.server().input(InputEvent::PointerButton { button: BTN_LEFT, pressed, time_us: 0 });
        self.server().input(InputEvent::PointerFrame);
    }

    /// Clicks into a window, and returns the serial of the press.
    pub fn click(&mut self, client: &mut Client, window: &Window) -> u32 {
        let serial = self.hold(client, window);
        self.release();
        serial
    }

    /// Presses the button in the top left corner of a window; returns the serial of the press.
    pub fn hold(&mut self, client: &mut Client, window: &Window) -> u32 {
        let (x, y) = self.corner(window);
        self.point(f64::from(x), f64::from(y));
        self.press();
        self.roundtrip(client);
        client.seen.press.expect("the client got the press")
    }

    /// The corner of a window's or popup's geometry on the output.
    pub fn corner(&mut self, window: &Window) -> (i32, i32) {
        let id = window.id(self.server());
        let server = self.server();
        let at = server.shell.corner(&server.surfaces, &server.output, id).expect("it is somewhere");
        (at.x, at.y)
    }
}
