//! A client that speaks the protocol byte by byte, for what no library would say: more than anybody needs, fds where none
//! belong, messages cut short, lengths that lie. It does not wait for an answer unless it is told to, and may not read at all.
//!
//! The wire format: wayland.freedesktop.org/docs/html/ch04.html#sect-Protocol-Wire-Format

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use shm_core::fdpass::{self, FdError};

use crate::case::Stop;
use crate::client::Ended;
use crate::session::Session;

/// An argument of a request; fds travel beside them.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    /// `int`, and `fixed` as it is.
    Int(i32),
    /// `uint`, `object` and `new_id`.
    Uint(u32),
    /// `string`.
    Str(&'a str),
}

/// One message.
pub fn message(object: u32, opcode: u16, args: &[Arg<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for arg in args {
        match arg {
            Arg::Int(n) => body.extend(n.to_ne_bytes()),
            Arg::Uint(n) => body.extend(n.to_ne_bytes()),
            Arg::Str(text) => {
                // With its final zero, and zeros up to a multiple of 4.
                body.extend((text.len() as u32 + 1).to_ne_bytes());
                body.extend(text.as_bytes());
                body.push(0);
                body.resize(body.len().next_multiple_of(4), 0);
            }
        }
    }
    header(object, opcode, body.len() + 8).into_iter().chain(body).collect()
}

/// The first two words of a message that claims to be so many bytes long.
pub fn header(object: u32, opcode: u16, size: usize) -> [u8; 8] {
    let second = (size as u32) << 16 | u32::from(opcode);
    let mut bytes = [0; 8];
    let (first, rest) = bytes.split_at_mut(4);
    first.copy_from_slice(&object.to_ne_bytes());
    rest.copy_from_slice(&second.to_ne_bytes());
    bytes
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    /// The socket, which does not block.
    pub stream: UnixStream,
    /// Whether what comes is read while sending.
    pub reads: bool,
    /// How many bytes it sends before it dies.
    pub lives_for: usize,
    /// How long it waits for anything.
    pub patience: Duration,
    configured: Option<u32>,
    globals: HashMap<String, (u32, u32)>,
    interfaces: HashMap<u32, &'static str>,
    answered: Option<u32>,
    last_id: u32,
    unread: Vec<u8>,
}

const DISPLAY: u32 = 1;
const REGISTRY: u32 = 2;

impl Wire {
    /// Connects, and gets the list of globals.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if nobody listens, [`Stop::Hang`] if nobody answers.
    pub fn connect(session: &Session) -> Result<Wire, Stop> {
        let mut wire = Wire::bare(session)?;
        wire.send(DISPLAY, 1, &[Arg::Uint(REGISTRY)])?;
        wire.roundtrip()?;
        Ok(wire)
    }

    /// Connects, and says nothing.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if nobody listens.
    pub fn bare(session: &Session) -> Result<Wire, Stop> {
        let refused = |error: io::Error| Stop::fail("a connection", error);
        let stream = UnixStream::connect(&session.socket).map_err(refused)?;
        stream.set_nonblocking(true).map_err(refused)?;
        Ok(Wire {
            stream,
            reads: true,
            lives_for: usize::MAX,
            configured: None,
            globals: HashMap::new(),
            interfaces: HashMap::from([(DISPLAY, "wl_display"), (REGISTRY, "wl_registry")]),
            answered: None,
            last_id: REGISTRY,
            unread: Vec::new(),
            patience: session.patience(),
        })
    }

    /// A number for a new object: the next.
    pub fn new_id(&mut self, interface: &'static str) -> u32 {
        self.last_id += 1;
        // Of what there are thousands of, an error tells the interface by itself.
        if self.interfaces.len() < 1000 {
            self.interfaces.insert(self.last_id, interface);
        }
        self.last_id
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// As [`Wire::push`].
    pub fn send(&mut self, object: u32, opcode: u16, args: &[Arg<'_>]) -> Result<(), Stop> {
        self.push(&message(object, opcode, args))
    }

    /// Sends a request that creates an object, whose number is its first argument.
    ///
    /// # Errors
    ///
    /// As [`Wire::push`].
    pub fn create(
        &mut self,
        interface: &'static str,
        object: u32,
        opcode: u16,
        rest: &[Arg<'_>],
    ) -> Result<u32, Stop> {
        let id = self.new_id(interface);
        let args: Vec<Arg<'_>> = std::iter::once(Arg::Uint(id)).chain(rest.iter().copied()).collect();
        self.send(object, opcode, &args)?;
        Ok(id)
    }

    /// Binds a global in version 1.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if it is not offered; as [`Wire::push`].
    pub fn bind(&mut self, interface: &'static str) -> Result<u32, Stop> {
        let name = self.globals.get(interface).map(|global| global.0);
        let name = name.ok_or_else(|| Stop::skip(format_args!("{interface} is not offered")))?;
        let id = self.new_id(interface);
        self.send(REGISTRY, 0, &[Arg::Uint(name), Arg::Str(interface), Arg::Uint(1), Arg::Uint(id)])?;
        Ok(id)
    }

    /// Makes a pool.
    ///
    /// # Errors
    ///
    /// As [`Wire::push`].
    pub fn pool(&mut self, shm: u32, fd: BorrowedFd<'_>, size: i32) -> Result<u32, Stop> {
        let pool = self.new_id("wl_shm_pool");
        self.push_fds(&message(shm, 0, &[Arg::Uint(pool), Arg::Int(size)]), &[fd])?;
        Ok(pool)
    }

    /// Makes a buffer of one XRGB8888 pixel at the beginning of a pool.
    ///
    /// # Errors
    ///
    /// As [`Wire::push`].
    pub fn pixel(&mut self, pool: u32) -> Result<u32, Stop> {
        let layout = [Arg::Int(0), Arg::Int(1), Arg::Int(1), Arg::Int(4), Arg::Uint(1)];
        self.create("wl_buffer", pool, 0, &layout)
    }

    /// Attaches a buffer, damages all, and commits.
    ///
    /// # Errors
    ///
    /// As [`Wire::push`].
    pub fn commit(&mut self, surface: u32, buffer: u32) -> Result<(), Stop> {
        let mut bytes = message(surface, 1, &[Arg::Uint(buffer), Arg::Int(0), Arg::Int(0)]);
        let all = [Arg::Int(0), Arg::Int(0), Arg::Int(i32::MAX), Arg::Int(i32::MAX)];
        bytes.extend(message(surface, 2, &all));
        bytes.extend(message(surface, 6, &[]));
        self.push(&bytes)
    }

    /// Makes a toplevel window up to its first configure, which it acknowledges. Gives its surface.
    ///
    /// # Errors
    ///
    /// As [`Wire::bind`] and [`Wire::roundtrip`].
    pub fn window(&mut self, compositor: u32) -> Result<u32, Stop> {
        let wm = self.bind("xdg_wm_base")?;
        let surface = self.create("wl_surface", compositor, 0, &[])?;
        let xdg_surface = self.create("xdg_surface", wm, 2, &[Arg::Uint(surface)])?;
        self.create("xdg_toplevel", xdg_surface, 1, &[])?;
        self.send(surface, 6, &[])?;
        let deadline = Instant::now() + self.patience;
        loop {
            self.roundtrip()?;
            if let Some(serial) = self.configured {
                self.send(xdg_surface, 4, &[Arg::Uint(serial)])?;
                return Ok(surface);
            }
            if Instant::now() > deadline {
                return Err(Stop::Hang("an event of xdg_surface".to_owned()));
            }
        }
    }

    /// Sends bytes, all of them, at the pace at which they are taken.
    ///
    /// # Errors
    ///
    /// [`Stop::Ended`] if the connection ended, [`Stop::Hang`] if nothing is taken for as long as an answer may take.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = rest.get(..rest.len().min(self.lives_for)).unwrap_or_default();
            if now.is_empty() {
                return Err(dead().into());
            }
            match (&self.stream).write(now) {
                Ok(n) => {
                    rest = rest.get(n..).unwrap_or_default();
                    self.lives_for -= n;
                }
                Err(error) => self.blocked(error)?,
            }
        }
        Ok(())
    }

    /// Sends bytes with fds, which go with the first of them.
    ///
    /// # Errors
    ///
    /// As [`Wire::push`].
    pub fn push_fds(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Stop> {
        let deadline = Instant::now() + self.patience;
        loop {
            let now = bytes.get(..bytes.len().min(self.lives_for)).unwrap_or_default();
            if now.is_empty() {
                return Err(dead().into());
            }
            match fdpass::send(&self.stream, now, fds) {
                Ok(sent) => {
                    self.lives_for -= sent;
                    return self.push(bytes.get(sent..).unwrap_or_default());
                }
                // ETOOMANYREFS: the kernel lets only so many be on their way (unix(7)).
                Err(FdError::Send { source })
                    if Errno::from_io_error(&source) == Some(Errno::TOOMANYREFS) =>
                {
                    if Instant::now() > deadline {
                        return Err(Stop::Hang("the compositor to take more fds".to_owned()));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(FdError::Send { source }) => self.blocked(source)?,
                Err(FdError::PeerGone) => return Err(self.why(&io::ErrorKind::BrokenPipe.into()).into()),
                Err(error) => return Err(Stop::skip(format_args!("cannot send fds: {error}"))),
            }
        }
    }

    /// After a write that did not succeed: waits until another may.
    fn blocked(&mut self, error: io::Error) -> Result<(), Stop> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                let input = if self.reads { PollFlags::IN } else { PollFlags::empty() };
                if self.poll(PollFlags::OUT | input) == 0 {
                    return Err(Stop::Hang("the compositor to take more requests".to_owned()));
                }
                if self.reads { Ok(self.read()?) } else { Ok(()) }
            }
            io::ErrorKind::Interrupted => Ok(()),
            _ => Err(self.why(&error).into()),
        }
    }

    fn poll(&self, flags: PollFlags) -> usize {
        let timeout = self.patience.try_into().ok();
        poll(&mut [PollFd::new(&self.stream, flags)], timeout.as_ref()).unwrap_or(0)
    }

    /// Waits until the compositor has dealt with all that was sent.
    ///
    /// # Errors
    ///
    /// [`Stop::Ended`] if the connection ended, [`Stop::Hang`] if there is no answer in time.
    pub fn roundtrip(&mut self) -> Result<(), Stop> {
        let callback = self.create("wl_callback", DISPLAY, 0, &[])?;
        let deadline = Instant::now() + self.patience;
        while self.answered.is_none_or(|answered| answered < callback) {
            if self.poll(PollFlags::IN) == 0 || Instant::now() > deadline {
                return Err(Stop::Hang("the answer to wl_display.sync".to_owned()));
            }
            self.read()?;
        }
        Ok(())
    }

    /// Takes in what has come.
    fn read(&mut self) -> Result<(), Ended> {
        let mut part = [0; 16384];
        loop {
            match (&self.stream).read(&mut part) {
                Ok(0) => return Err(Ended::Closed("end of file".to_owned())),
                Ok(n) => self.unread.extend(part.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Ended::Closed(error.to_string())),
            }
            self.understand()?;
        }
    }

    /// What the compositor said before it closed, if it said anything.
    fn why(&mut self, error: &io::Error) -> Ended {
        match self.read() {
            Err(ended @ Ended::Error { .. }) => ended,
            _ => Ended::Closed(error.to_string()),
        }
    }

    /// Deals with the whole messages among what is unread: an error ends the connection; globals and answers are kept.
    fn understand(&mut self) -> Result<(), Ended> {
        let mut at = 0;
        let all = std::mem::take(&mut self.unread);
        while let (Some(object), Some(second)) = (word(&all, at), word(&all, at + 4)) {
            let size = (second as usize >> 16).max(8);
            let Some(body) = all.get(at + 8..at + size) else { break };
            match (object, second & 0xffff) {
                (DISPLAY, 0) => {
                    let Some(DisplayError { object, code, message }) = DisplayError::parse(body) else {
                        return Err(Ended::Closed("an error cut short".to_owned()));
                    };
                    let interface = self.interfaces.get(&object).copied().unwrap_or_default().to_owned();
                    return Err(Ended::Error { interface, code, message });
                }
                (REGISTRY, 0) => {
                    let interface = text(body, 4);
                    let version = word(body, 8 + (interface.len() + 1).next_multiple_of(4));
                    let global = (word(body, 0).unwrap_or_default(), version.unwrap_or(1));
                    self.globals.insert(interface, global);
                }
                (object, 0) if self.interfaces.get(&object) == Some(&"xdg_surface") => {
                    self.configured = word(body, 0);
                }
                // delete_id, which comes with the answer to sync.
                (DISPLAY, 1) => self.answered = self.answered.max(word(body, 0)),
                _ => {}
            }
            at += size;
        }
        self.unread = all.get(at..).unwrap_or_default().to_vec();
        Ok(())
    }
}

/// `wl_display.error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayError {
    /// Number of the object that it was sent for.
    pub object: u32,
    /// The code, from the error enumeration of that object's interface.
    pub code: u32,
    /// What it says to a person.
    pub message: String,
}

impl DisplayError {
    /// The one among whole messages, from the first of them on.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let (object, second) = (word(bytes, at)?, word(bytes, at + 4)?);
            let size = (second as usize >> 16).max(8);
            if (object, second & 0xffff) == (DISPLAY, 0) {
                return Self::parse(bytes.get(at + 8..at + size)?);
            }
            at += size;
        }
    }

    /// From the arguments of the event.
    fn parse(body: &[u8]) -> Option<Self> {
        Some(Self { object: word(body, 0)?, code: word(body, 4)?, message: text(body, 8) })
    }
}

/// How it ends when it has sent all that it lives for.
fn dead() -> Ended {
    Ended::Closed("it was to die here".to_owned())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn text(bytes: &[u8], at: usize) -> String {
    let len = word(bytes, at).unwrap_or_default() as usize;
    let text = bytes.get(at + 4..at + 3 + len.max(1)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
