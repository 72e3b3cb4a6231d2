//! A Wayland client that checks nothing: it sends what the test says, in any order, keeps every event,
//! and when the server ends the connection it says with which protocol error, exactly.
//!
//! Built on wayland-client's generated requests. Whatever a request creates gets user data `()`:
//! `surface.frame(&raw.qh(), ())`. Every wait has a deadline.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, SealFlags};
use selkie_check::wire::DisplayError;
use selkie_protocols::upstream::xdg::shell::client::{xdg_surface, xdg_toplevel, xdg_wm_base};
use wayland_client::backend::protocol::ProtocolError;
use wayland_client::backend::{ObjectData, WaylandError};
use wayland_client::protocol::{
    wl_buffer, wl_callback, wl_compositor, wl_data_offer, wl_display, wl_registry, wl_shm, wl_shm_pool,
    wl_surface,
};
use wayland_client::{Connection, Dispatch, EventQueue, Proxy, QueueHandle};

use super::process::patience;

/// Why a connection is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The server sent `wl_display.error`.
    Error {
        /// Interface of the object that it was sent for, like `wl_shm`.
        interface: String,
        /// Number of that object.
        object: u32,
        /// The code, from that interface's error enumeration.
        code: u32,
        /// What it says to a person.
        message: String,
    },
    /// The server closed the connection, or is gone, without a protocol error.
    Closed(String),
}

impl From<&ProtocolError> for Ended {
    fn from(e: &ProtocolError) -> Self {
        let (interface, message) = (e.object_interface.clone(), e.message.clone());
        Self::Error { interface, object: e.object_id, code: e.code, message }
    }
}

/// One event as it came.
pub struct Event {
    /// Interface of the object that it came for.
    pub interface: &'static str,
    /// Number of that object.
    pub object: u32,
    /// The generated event enumeration of that interface.
    pub event: Box<dyn Any + Send>,
    /// It as text.
    pub text: String,
}

impl Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{} {}", self.interface, self.object, self.text)
    }
}

/// Everything that came, in order, and what is offered.
#[derive(Debug, Default)]
pub struct Events {
    /// Every event.
    pub log: Vec<Event>,
    /// The globals: (name, interface, version).
    pub globals: Vec<(u32, String, u32)>,
    /// Leave `xdg_wm_base.ping` unanswered.
    pub ignore_pings: bool,
}

impl<I> Dispatch<I, ()> for Events
where
    I: Proxy + 'static,
    I::Event: Debug + Send + 'static,
{
    fn event(state: &mut Self, proxy: &I, event: I::Event, (): &(), _: &Connection, _: &QueueHandle<Self>) {
        let text = format!("{event:?}");
        let event: Box<dyn Any + Send> = Box::new(event);
        let wm = (proxy as &dyn Any).downcast_ref::<xdg_wm_base::XdgWmBase>();
        if let (Some(wm), Some(xdg_wm_base::Event::Ping { serial }), false) =
            (wm, event.downcast_ref(), state.ignore_pings)
        {
            wm.pong(*serial);
        }
        match event.downcast_ref() {
            Some(wl_registry::Event::Global { name, interface, version }) => {
                state.globals.push((*name, interface.clone(), *version));
            }
            Some(wl_registry::Event::GlobalRemove { name }) => {
                state.globals.retain(|global| global.0 != *name)
            }
            _ => {}
        }
        state.log.push(Event {
            interface: I::interface().name,
            object: proxy.id().protocol_id(),
            event,
            text,
        });
    }

    fn event_created_child(opcode: u16, qh: &QueueHandle<Self>) -> Arc<dyn ObjectData> {
        match I::interface().name {
            "wl_data_device" => qh.make_data::<wl_data_offer::WlDataOffer, ()>(()),
            "zwp_linux_buffer_params_v1" => qh.make_data::<wl_buffer::WlBuffer, ()>(()),
            name => panic!("{name} event {opcode} creates an object that the raw client does not know"),
        }
    }
}

/// A connection, its event queue and everything that came over it.
pub struct Raw {
    /// The connection.
    pub connection: Connection,
    /// What came.
    pub events: Events,
    /// The registry.
    pub registry: wl_registry::WlRegistry,
    queue: EventQueue<Events>,
    socket: UnixStream,
    names: HashMap<u32, &'static str>,
}

/// A window that the server has configured, without a buffer yet.
pub struct Window {
    /// Its surface.
    pub surface: wl_surface::WlSurface,
    /// Its xdg_surface, of which the first configure is acknowledged.
    pub xdg_surface: xdg_surface::XdgSurface,
    /// Its toplevel.
    pub toplevel: xdg_toplevel::XdgToplevel,
}

impl Raw {
    /// Connects to a socket, and gets the list of globals.
    ///
    /// # Panics
    /// If the server is not there.
    pub fn connect(socket: &Path) -> Self {
        Self::over(UnixStream::connect(socket).unwrap())
    }

    /// The same over a socket that is connected already (one end of a pair, for `WAYLAND_SOCKET`).
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn over(stream: UnixStream) -> Self {
        let socket = stream.try_clone().unwrap();
        let connection = Connection::from_socket(stream).unwrap();
        let queue = connection.new_event_queue();
        let registry = connection.display().get_registry(&queue.handle(), ());
        let names = HashMap::from([(1, "wl_display"), (2, "wl_registry")]);
        let mut raw = Self { connection, events: Events::default(), registry, queue, socket, names };
        raw.roundtrip().unwrap();
        raw
    }

    /// The handle that requests want which create an object.
    pub fn qh(&self) -> QueueHandle<Events> {
        self.queue.handle()
    }

    /// The version in which an interface is offered.
    pub fn offered(&self, interface: &str) -> Option<u32> {
        self.events.globals.iter().find(|global| global.1 == interface).map(|global| global.2)
    }

    /// Binds a global in the version offered, but at most `version`.
    pub fn try_bind<I>(&mut self, version: u32) -> Option<I>
    where
        I: Proxy + Send + Sync + 'static,
        I::Event: Debug + Send + 'static,
    {
        let global = self.events.globals.iter().find(|global| global.1 == I::interface().name)?;
        let proxy = self.registry.bind(global.0, version.min(global.2), &self.queue.handle(), ());
        Some(self.note(proxy))
    }

    /// [`Raw::try_bind`] for what must be there.
    ///
    /// # Panics
    /// If it is not offered.
    pub fn bind<I>(&mut self, version: u32) -> I
    where
        I: Proxy + Send + Sync + 'static,
        I::Event: Debug + Send + 'static,
    {
        self.try_bind(version).unwrap_or_else(|| panic!("{} is not offered", I::interface().name))
    }

    /// Remembers which interface an object has, for the one case in which wayland-client cannot say it
    /// afterwards (see [`Raw::late_error`]), and hands it back.
    pub fn note<I: Proxy>(&mut self, proxy: I) -> I {
        self.names.insert(proxy.id().protocol_id(), I::interface().name);
        proxy
    }

    /// Sends what is pending, and waits until the server has answered all of it.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn roundtrip(&mut self) -> Result<(), Ended> {
        let callback = self.connection.display().sync(&self.queue.handle(), ());
        let done = callback.id().protocol_id();
        let from = self.events.log.len();
        self.wait("an answer to wl_display.sync", move |events| {
            events.log[from..].iter().any(|event| event.object == done && event.interface == "wl_callback")
        })
    }

    /// Sends what is pending, and takes in what comes until `until` says that it is enough.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub fn wait(&mut self, what: &str, until: impl Fn(&Events) -> bool) -> Result<(), Ended> {
        let deadline = Instant::now() + patience();
        loop {
            self.dispatch()?;
            if until(&self.events) {
                return Ok(());
            }
            assert!(
                Instant::now() < deadline,
                "gave up waiting for {what}; last came {:?}",
                self.events.log.last()
            );
            self.flush()?;
            self.read(Duration::from_millis(100))?;
        }
    }

    /// Takes in whatever has come, without waiting and without sending anything.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    pub fn pump(&mut self) -> Result<(), Ended> {
        self.read(Duration::ZERO)?;
        self.dispatch()
    }

    /// Waits for the server to end the connection, and says how. What is pending is sent first.
    ///
    /// # Panics
    /// If the connection goes on.
    pub fn ended(&mut self) -> Ended {
        match self.roundtrip() {
            Err(ended) => ended,
            Ok(()) => panic!("the server went on; last came {:?}", self.events.log.last()),
        }
    }

    /// Sends what is pending.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    pub fn flush(&mut self) -> Result<(), Ended> {
        loop {
            match self.connection.flush() {
                Ok(()) => return Ok(()),
                Err(WaylandError::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    // The server reads too slowly, or not at all because it waits for us to read.
                    let mut fds = [PollFd::new(&self.socket, PollFlags::OUT | PollFlags::IN)];
                    let timeout = patience().try_into().unwrap();
                    assert_ne!(poll(&mut fds, Some(&timeout)), Ok(0), "the server takes no more requests");
                    self.read(Duration::ZERO)?;
                }
                Err(e) => return Err(self.why(&e)),
            }
        }
    }

    fn dispatch(&mut self) -> Result<(), Ended> {
        self.queue.dispatch_pending(&mut self.events).map(drop).map_err(|e| match e {
            wayland_client::DispatchError::Backend(e) => self.why(&e),
            e => Ended::Closed(e.to_string()),
        })
    }

    fn read(&mut self, most: Duration) -> Result<(), Ended> {
        let Some(guard) = self.connection.prepare_read() else { return Ok(()) };
        let timeout = most.try_into().unwrap();
        let ready = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout));
        if ready == Ok(0) {
            return Ok(());
        }
        match guard.read() {
            Ok(_) => Ok(()),
            Err(WaylandError::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(self.why(&e)),
        }
    }

    fn why(&self, e: &WaylandError) -> Ended {
        match (self.connection.protocol_error(), e) {
            (Some(e), _) => Ended::from(&e),
            (None, WaylandError::Protocol(e)) => Ended::from(e),
            (None, e) => self.late_error().unwrap_or_else(|| Ended::Closed(e.to_string())),
        }
    }

    /// The protocol error that is still in the socket. wayland-client reads no more once a write
    /// failed, which happens when the server closed the connection between our read and our write;
    /// what it said last is in there all the same.
    fn late_error(&self) -> Option<Ended> {
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        self.socket.set_nonblocking(true).ok()?;
        while let Ok(n @ 1..) = std::io::Read::read(&mut &self.socket, &mut part) {
            bytes.extend_from_slice(&part[..n]);
        }
        let DisplayError { object, code, message } = DisplayError::find(&bytes)?;
        let interface = self.names.get(&object).copied().unwrap_or_default().to_owned();
        Some(Ended::Error { interface, object, code, message })
    }

    /// The events that came for an object, in order.
    pub fn of<I>(&self, proxy: &I) -> Vec<&I::Event>
    where
        I: Proxy,
        I::Event: 'static,
    {
        let object = proxy.id().protocol_id();
        let log = self.events.log.iter().filter(|event| event.object == object);
        log.filter_map(|event| event.event.downcast_ref()).collect()
    }

    /// Waits until an object has got at least `count` events.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub fn wait_for<I>(&mut self, proxy: &I, count: usize) -> Result<(), Ended>
    where
        I: Proxy,
        I::Event: 'static,
    {
        let (object, what) = (proxy.id().protocol_id(), format!("{count} events for {}", proxy.id()));
        self.wait(&what, move |events| {
            let of_it = events.log.iter().filter(|e| e.object == object && e.event.is::<I::Event>());
            of_it.count() >= count
        })
    }

    /// Makes a pool of any fd and any size.
    pub fn pool(&mut self, shm: &wl_shm::WlShm, fd: impl AsFd, size: i32) -> wl_shm_pool::WlShmPool {
        let pool = shm.create_pool(fd.as_fd(), size, &self.queue.handle(), ());
        self.note(pool)
    }

    /// Makes an XRGB8888 buffer at the start of a pool, with rows that follow each other.
    pub fn buffer(&mut self, pool: &wl_shm_pool::WlShmPool, width: i32, height: i32) -> wl_buffer::WlBuffer {
        let format = wl_shm::Format::Xrgb8888;
        let buffer = pool.create_buffer(0, width, height, width * 4, format, &self.queue.handle(), ());
        self.note(buffer)
    }

    /// Makes a toplevel window, and waits for its first configure, which it acknowledges.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// If the server does not offer windows.
    pub fn window(&mut self) -> Result<Window, Ended> {
        let compositor: wl_compositor::WlCompositor = self.bind(6);
        self.window_by(&compositor)
    }

    /// [`Raw::window`] with a surface of that compositor's, and of its version.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// If the server does not offer windows.
    pub fn window_by(&mut self, compositor: &wl_compositor::WlCompositor) -> Result<Window, Ended> {
        let qh = self.queue.handle();
        let wm: xdg_wm_base::XdgWmBase = self.bind(6);
        let surface = self.note(compositor.create_surface(&qh, ()));
        let xdg_surface = self.note(wm.get_xdg_surface(&surface, &qh, ()));
        let toplevel = self.note(xdg_surface.get_toplevel(&qh, ()));
        toplevel.set_title("raw".to_owned());
        surface.commit();
        self.wait_for(&xdg_surface, 1)?;
        self.acknowledge(&xdg_surface);
        Ok(Window { surface, xdg_surface, toplevel })
    }

    /// Acknowledges the last configure that came.
    pub fn acknowledge(&self, surface: &xdg_surface::XdgSurface) {
        if let Some(xdg_surface::Event::Configure { serial }) = self.of(surface).last() {
            surface.ack_configure(*serial);
        }
    }

    /// Attaches a buffer, damages all, commits, and waits for the frame callback: it was on the screen.
    ///
    /// # Errors
    /// How the connection ended, if it did.
    ///
    /// # Panics
    /// When the callback does not come.
    pub fn present(
        &mut self,
        surface: &wl_surface::WlSurface,
        buffer: &wl_buffer::WlBuffer,
    ) -> Result<(), Ended> {
        surface.attach(Some(buffer), 0, 0);
        surface.damage(0, 0, i32::MAX, i32::MAX);
        let frame: wl_callback::WlCallback = surface.frame(&self.queue.handle(), ());
        surface.commit();
        let (id, from) = (frame.id().protocol_id(), self.events.log.len());
        self.wait("wl_surface.frame", move |events| {
            events.log[from..].iter().any(|event| event.object == id && event.interface == "wl_callback")
        })
    }

    /// The display, for requests of its own.
    pub fn display(&self) -> wl_display::WlDisplay {
        self.connection.display()
    }
}

/// A memfd of a size with these seals; with `F_SEAL_SEAL` missing from `seals` more may be added. None
/// at all (`None`) makes it without `MFD_ALLOW_SEALING`.
pub fn memfd(size: u64, seals: Option<SealFlags>) -> OwnedFd {
    let allow = if seals.is_some() { MemfdFlags::ALLOW_SEALING } else { MemfdFlags::empty() };
    let fd = rustix::fs::memfd_create("selkie-test", MemfdFlags::CLOEXEC | allow).unwrap();
    rustix::fs::ftruncate(&fd, size).unwrap();
    if let Some(seals) = seals.filter(|seals| !seals.is_empty()) {
        rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
    }
    fd
}

/// Writes pixels (32 bits, little-endian) into memory at an offset in bytes. See [`super::Image::opaque`].
pub fn write_pixels(fd: impl AsFd, offset: u64, pixels: &[u32]) {
    let bytes: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    let mut done = 0;
    while done < bytes.len() {
        done += rustix::io::pwrite(&fd, &bytes[done..], offset + done as u64).unwrap();
    }
}
