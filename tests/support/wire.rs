//! A client that speaks the protocol byte by byte, for what no library would say: fds where none belong,
//! messages cut short, objects that are not there. It keeps no copy of any fd, so sending one never
//! closes one (and closing a file can wait for its owner).
//!
//! The wire format: wayland.freedesktop.org/docs/html/ch04.html#sect-Protocol-Wire-Format

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

pub use selkie_check::wire::{Arg, message};

use super::process::patience;
use super::raw::Ended;

/// An event: the object, the opcode and the bytes of its arguments.
#[derive(Debug, Clone)]
pub struct WireEvent {
    pub object: u32,
    pub opcode: u16,
    pub body: Vec<u8>,
}

impl WireEvent {
    /// The argument at an offset in bytes.
    pub fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.body[at..at + 4].try_into().unwrap())
    }

    fn text(&self, at: usize) -> String {
        let len = self.word(at) as usize;
        String::from_utf8_lossy(&self.body[at + 4..at + 3 + len]).into_owned()
    }
}

/// A connection.
pub struct Wire {
    /// The socket; reading and writing give up after [`patience`].
    pub stream: UnixStream,
    /// The globals: name and version by interface.
    pub globals: HashMap<String, (u32, u32)>,
    kinds: HashMap<u32, &'static str>,
    last_id: u32,
    unread: Vec<u8>,
}

const REGISTRY: u32 = 2;

impl Wire {
    /// Connects and gets the list of globals.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).unwrap()
    }

    /// The same where the server may turn newcomers away.
    ///
    /// # Errors
    /// How the connection ended.
    pub fn try_connect(socket: &Path) -> Result<Self, Ended> {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        let kinds = HashMap::from([(1, "wl_display"), (REGISTRY, "wl_registry")]);
        let mut wire = Self { stream, globals: HashMap::new(), kinds, last_id: REGISTRY, unread: Vec::new() };
        wire.send(1, 1, &[Arg::Uint(REGISTRY)]).map_err(|e| Ended::Closed(e.to_string()))?;
        for event in wire.roundtrip()? {
            if (event.object, event.opcode) == (REGISTRY, 0) {
                let interface = event.text(4);
                let version = event.word(8 + interface.len() / 4 * 4 + 4);
                wire.globals.insert(interface, (event.word(0), version));
            }
        }
        Ok(wire)
    }

    /// A number for a new object, which may be told in an error.
    pub fn new_id(&mut self, interface: &'static str) -> u32 {
        self.last_id += 1;
        self.kinds.insert(self.last_id, interface);
        self.last_id
    }

    /// Sends a request.
    pub fn send(&mut self, object: u32, opcode: u16, args: &[Arg<'_>]) -> io::Result<()> {
        self.stream.write_all(&message(object, opcode, args))
    }

    /// Sends bytes with fds.
    pub fn send_fds(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let sent = shm_core::fdpass::send(&self.stream, bytes, fds).map_err(io::Error::other)?;
        self.stream.write_all(&bytes[sent..])
    }

    /// Sends a request that creates an object, whose number comes as the first argument.
    pub fn create(
        &mut self,
        interface: &'static str,
        object: u32,
        opcode: u16,
        rest: &[Arg<'_>],
    ) -> io::Result<u32> {
        let id = self.new_id(interface);
        let args: Vec<Arg<'_>> = std::iter::once(Arg::Uint(id)).chain(rest.iter().copied()).collect();
        self.send(object, opcode, &args)?;
        Ok(id)
    }

    /// Binds a global in the version offered, but at most `version`.
    ///
    /// # Panics
    /// If it is not offered.
    pub fn bind(&mut self, interface: &'static str, version: u32) -> u32 {
        self.try_bind(interface, version).unwrap_or_else(|| panic!("{interface} is not offered"))
    }

    /// [`Wire::bind`] for what may be missing.
    pub fn try_bind(&mut self, interface: &'static str, version: u32) -> Option<u32> {
        let (name, offered) = *self.globals.get(interface)?;
        let id = self.new_id(interface);
        let args = [Arg::Uint(name), Arg::Str(interface), Arg::Uint(version.min(offered)), Arg::Uint(id)];
        self.send(REGISTRY, 0, &args).unwrap();
        Some(id)
    }

    /// Makes a pool.
    pub fn pool(&mut self, shm: u32, fd: BorrowedFd<'_>, size: i32) -> io::Result<u32> {
        let pool = self.new_id("wl_shm_pool");
        self.send_fds(&message(shm, 0, &[Arg::Uint(pool), Arg::Int(size)]), &[fd])?;
        Ok(pool)
    }

    /// Makes a window up to its first configure, which is acknowledged: its surface and its xdg_surface.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    pub fn window(&mut self) -> Result<(u32, u32), Ended> {
        let gone = |e: io::Error| Ended::Closed(e.to_string());
        let (compositor, wm) = (self.bind("wl_compositor", 4), self.bind("xdg_wm_base", 1));
        let surface = self.create("wl_surface", compositor, 0, &[]).map_err(gone)?;
        let xdg_surface = self.create("xdg_surface", wm, 2, &[Arg::Uint(surface)]).map_err(gone)?;
        self.create("xdg_toplevel", xdg_surface, 1, &[]).map_err(gone)?;
        self.send(surface, 6, &[]).map_err(gone)?;
        loop {
            let came = self.roundtrip()?;
            if let Some(configure) =
                came.iter().find(|event| (event.object, event.opcode) == (xdg_surface, 0))
            {
                self.send(xdg_surface, 4, &[Arg::Uint(configure.word(0))]).map_err(gone)?;
                return Ok((surface, xdg_surface));
            }
        }
    }

    /// Waits until the server has dealt with all that was sent; gives what came.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    pub fn roundtrip(&mut self) -> Result<Vec<WireEvent>, Ended> {
        let callback = self.new_id("wl_callback");
        let mut came = Vec::new();
        // What the server said before it closed can be read even if it takes no more.
        let sent = self.send(1, 0, &[Arg::Uint(callback)]);
        loop {
            let event = match self.event() {
                Ok(event) => event,
                Err(Ended::Closed(why)) => {
                    return Err(Ended::Closed(sent.err().map_or(why, |e| e.to_string())));
                }
                Err(error) => return Err(error),
            };
            if event.object == callback {
                return Ok(came);
            }
            came.push(event);
        }
    }

    /// How the server ends the connection.
    ///
    /// # Panics
    /// If it does not.
    pub fn ended(&mut self) -> Ended {
        match self.roundtrip() {
            Err(ended) => ended,
            Ok(_) => panic!("the server went on"),
        }
    }

    /// Waits for the end without sending anything.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for_end(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.event() {
                return ended;
            }
        }
    }

    /// The next event.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn event(&mut self) -> Result<WireEvent, Ended> {
        loop {
            if let Some(event) = self.take() {
                if (event.object, event.opcode) == (1, 0) {
                    let object = event.word(0);
                    return Err(Ended::Error {
                        interface: self.kinds.get(&object).copied().unwrap_or("?").to_owned(),
                        object,
                        code: event.word(4),
                        message: event.text(8),
                    });
                }
                return Ok(event);
            }
            let mut part = [0; 8192];
            match self.stream.read(&mut part) {
                Ok(0) => return Err(Ended::Closed("end of file".to_owned())),
                Ok(n) => self.unread.extend(&part[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => panic!("the server does not answer"),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Ended::Closed(e.to_string())),
            }
        }
    }

    fn take(&mut self) -> Option<WireEvent> {
        let word = |at: usize| Some(u32::from_ne_bytes(self.unread.get(at..at + 4)?.try_into().ok()?));
        let (object, second) = (word(0)?, word(4)?);
        let body = self.unread.get(8..second as usize >> 16)?.to_vec();
        self.unread.drain(..body.len() + 8);
        Some(WireEvent { object, opcode: (second & 0xffff) as u16, body })
    }
}
