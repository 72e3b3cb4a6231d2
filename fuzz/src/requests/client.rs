//! A client without scruples.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use selkie_compositor::fuzzing::{ByHand, Peer};
use selkie_protocols::wayland_client::backend::protocol::Interface;
use shm_core::fdpass::{self, FdError};

use super::wire::{self, Event, Message};

/// An object that the client knows.
#[derive(Clone, Copy)]
pub struct Object {
    /// Its number.
    pub id: u32,
    /// What it is.
    pub interface: &'static Interface,
    /// As it was bound.
    pub version: u32,
}

/// An argument of a request.
pub enum Arg {
    /// `int`, `uint`, `fixed`, `object`, `new_id`.
    Word(u32),
    /// `string` (with its end) or `array`.
    Bytes(Vec<u8>),
    /// A file, which travels beside the message.
    Fd(OwnedFd),
}

impl From<i32> for Arg {
    fn from(n: i32) -> Self {
        Self::Word(n as u32)
    }
}

impl From<Object> for Arg {
    fn from(object: Object) -> Self {
        Self::Word(object.id)
    }
}

/// A connection, and what the client knows about it.
pub struct Client {
    /// The connection.
    pub peer: Peer,
    /// Objects that are there.
    pub objects: Vec<Object>,
    /// Globals: number, interface, version.
    pub globals: Vec<(u32, &'static Interface, u32)>,
    /// Memory that was sent.
    pub memory: Vec<OwnedFd>,
    /// Numbers that came first in events: serials, most of them. The last is the newest.
    pub serials: Vec<u32>,
    /// The last `xdg_surface.configure`: object and serial.
    configures: Vec<(u32, u32)>,
    /// Whether the connection has ended.
    pub is_over: bool,
    /// Whether it has made objects by numbers out of the air: others may be where it thinks that its own are.
    pub is_confused: bool,
    free: Vec<u32>,
    last_id: u32,
    unsent: Vec<u8>,
    fds: Vec<OwnedFd>,
    unread: Vec<u8>,
}

/// Fds that are sent with one message; wayland-backend takes no more at a time.
const MOST_FDS: usize = 20;
/// Bytes that are collected before they are sent.
const MOST_BYTES: usize = 32 << 10;
/// Turns after which a compositor that reads nothing is taken for dead.
const PATIENCE: usize = 10_000;

impl Client {
    /// A client that has bound all globals as they are offered.
    pub fn new(peer: Peer, host: &mut ByHand) -> Self {
        let display = Object { id: 1, interface: wire::display(), version: 1 };
        let mut client = Self {
            peer,
            objects: vec![display],
            globals: Vec::new(),
            memory: Vec::new(),
            serials: Vec::new(),
            configures: Vec::new(),
            is_over: false,
            is_confused: false,
            free: Vec::new(),
            last_id: 1,
            unsent: Vec::new(),
            fds: Vec::new(),
            unread: Vec::new(),
        };
        let registry = client.create(wire::registry(), 1);
        client.call(display, "get_registry", vec![registry.into()]);
        client.turn(host);
        for global in client.globals.clone() {
            client.bind(global.0, global.1, global.2);
        }
        client.turn(host);
        client
    }

    /// `wl_registry.bind`.
    pub fn bind(&mut self, name: u32, interface: &'static Interface, version: u32) {
        let Some(registry) = self.find(wire::registry().name, 0) else { return };
        let object = self.create(interface, version);
        let text = [interface.name.as_bytes(), b"\0"].concat();
        let args = vec![Arg::Word(name), Arg::Bytes(text), Arg::Word(version), object.into()];
        self.call(registry, "bind", args);
    }

    /// A new object, of which the compositor knows nothing yet.
    pub fn create(&mut self, interface: &'static Interface, version: u32) -> Object {
        let id = self.free.pop().unwrap_or_else(|| {
            self.last_id += 1;
            self.last_id
        });
        let object = Object { id, interface, version };
        self.objects.push(object);
        object
    }

    /// The object of that interface at that place in the list of those, counted around.
    pub fn find(&self, interface: &str, which: usize) -> Option<Object> {
        let count = self.objects.iter().filter(|o| o.interface.name == interface).count();
        let mut all = self.objects.iter().filter(|o| o.interface.name == interface);
        all.nth(which.checked_rem(count)?).copied()
    }

    /// Sends a request by its name, and makes the object that it makes, as its first argument.
    pub fn make(&mut self, object: Object, request: &str, mut rest: Vec<Arg>) -> Object {
        let made = object.interface.requests.iter().find(|r| r.name == request);
        let made = made.and_then(|r| r.child_interface).expect("it makes something");
        let made = self.create(made, object.version);
        rest.insert(0, made.into());
        self.call(object, request, rest);
        made
    }

    /// Sends a request by its name.
    pub fn call(&mut self, object: Object, request: &str, args: Vec<Arg>) {
        let opcode = object.interface.requests.iter().position(|r| r.name == request);
        self.send(object, opcode.expect("it has that request") as u16, args);
    }

    /// Sends a request by its number.
    pub fn send(&mut self, object: Object, opcode: u16, args: Vec<Arg>) {
        let mut message = Message::new(object.id, opcode);
        for arg in args {
            match arg {
                Arg::Word(word) => message.word(word),
                Arg::Bytes(bytes) => message.bytes(&bytes),
                Arg::Fd(fd) => self.fds.push(fd),
            }
        }
        self.unsent.extend(message.finish());
        if object.interface.requests.get(usize::from(opcode)).is_some_and(|r| r.is_destructor) {
            self.objects.retain(|o| o.id != object.id);
        }
    }

    /// Sends bytes that need not be a message.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.is_confused = true;
        self.unsent.extend(bytes);
    }

    /// Sends a file with whatever is sent next.
    pub fn attach_fd(&mut self, fd: OwnedFd) {
        self.fds.push(fd);
    }

    /// Sends what is to be sent before there is too much of it.
    pub fn send_if_full(&mut self, host: &mut ByHand) {
        if self.unsent.len() > MOST_BYTES || self.fds.len() >= MOST_FDS {
            self.turn(host);
        }
    }

    /// Has the compositor deal with what was sent, all but the last `but` bytes, and takes note of the answers.
    pub fn turn_but(&mut self, host: &mut ByHand, but: usize) {
        let now = self.unsent.len().saturating_sub(but);
        let mut bytes: Vec<u8> = self.unsent.drain(..now).collect();
        let mut turns = 0;
        while !self.is_over && !bytes.is_empty() {
            match self.try_send(&bytes) {
                Ok(sent) => {
                    bytes.drain(..sent);
                }
                Err(Errno::AGAIN) => {
                    turns += 1;
                    assert!(turns < PATIENCE, "the compositor has stopped reading");
                    host.turn();
                    self.read();
                }
                Err(_) => {
                    self.read();
                    self.is_over = true;
                }
            }
        }
        host.turn();
        self.read();
    }

    /// As [`Client::turn_but`], with all that there is.
    pub fn turn(&mut self, host: &mut ByHand) {
        self.turn_but(host, 0);
    }

    fn try_send(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.fds.is_empty() {
            return rustix::net::send(&self.peer.stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
        let count = self.fds.len().min(MOST_FDS);
        let fds: Vec<BorrowedFd<'_>> = self.fds[..count].iter().map(AsFd::as_fd).collect();
        // All but the last go ahead, each batch with one byte.
        let part = if count < self.fds.len() { &bytes[..1] } else { bytes };
        match fdpass::send(&self.peer.stream, part, &fds) {
            Ok(sent) => {
                self.fds.drain(..count);
                Ok(sent)
            }
            Err(FdError::Send { source }) => Err(Errno::from_io_error(&source).unwrap_or(Errno::IO)),
            Err(_) => Err(Errno::PIPE),
        }
    }

    /// Takes note of all that came.
    fn read(&mut self) {
        let mut part = [0; 8192];
        loop {
            // Files that come with it are closed by the kernel, as nobody asks for them.
            match rustix::net::recv(&self.peer.stream, &mut part[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE) => {
                    self.is_over = true;
                    break;
                }
                Ok((count, _)) => self.unread.extend(&part[..count]),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        let mut unread = std::mem::take(&mut self.unread);
        while let Some(event) = Event::take(&mut unread) {
            self.note(&event);
        }
        self.unread = unread;
    }

    fn note(&mut self, event: &Event) {
        let first = event.word(0).unwrap_or_default();
        if (event.object, event.opcode) == (1, 1) {
            // wl_display.delete_id
            self.objects.retain(|o| o.id != first);
            self.free.push(first);
            return;
        }
        let Some(object) = self.objects.iter().copied().find(|o| o.id == event.object) else { return };
        let Some(desc) = object.interface.events.get(event.opcode) else {
            assert!(self.is_confused, "{} has no event {}", object.interface.name, event.opcode);
            return;
        };
        match (object.interface.name, desc.name) {
            ("wl_registry", "global") => {
                if let Some((name, next)) = event.text(4) {
                    self.globals.push((first, wire::global(&name), event.word(next).unwrap_or(1)));
                }
            }
            ("xdg_surface", "configure") => {
                self.configures.retain(|(id, _)| *id != object.id);
                self.configures.push((object.id, first));
                self.serials.push(first);
            }
            _ => match desc.child_interface {
                Some(interface) => {
                    self.objects.retain(|o| o.id != first);
                    self.objects.push(Object { id: first, interface, version: object.version });
                }
                None => self.serials.push(first),
            },
        }
        if self.serials.len() > 32 {
            self.serials.drain(..16);
        }
    }

    /// The serial of the last configure event of that `xdg_surface`.
    pub fn configure(&self, xdg_surface: Object) -> Option<u32> {
        self.configures.iter().find(|(id, _)| *id == xdg_surface.id).map(|(_, serial)| *serial)
    }
}
