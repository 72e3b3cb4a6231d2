//! A client that checks nothing: it sends what the case says, in any order, keeps every event, and when the compositor
//! ends the connection it knows with which protocol error, exactly.
//!
//! Built on wayland-client's generated requests. Whatever a request creates gets the user data `()`:
//! `surface.frame(&client.qh(), ())`. Every wait has a deadline, and a deadline that passes is a hang.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::{self, Debug, Display};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use selkie_protocols::upstream::xdg::shell::client::{xdg_surface, xdg_wm_base};
use serde::{Deserialize, Serialize};
use wayland_client::backend::protocol::ProtocolError;
use wayland_client::backend::{ObjectData, ObjectId, WaylandError};
use wayland_client::protocol::{wl_buffer, wl_data_offer, wl_registry};
use wayland_client::{Connection, Dispatch, EventQueue, Proxy, QueueHandle};

use crate::case::Stop;
use crate::wire::DisplayError;

/// Why a connection is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The compositor sent `wl_display.error`.
    Error {
        /// Interface of the object that it was sent for; empty if that is not known.
        interface: String,
        /// The code, from that interface's error enumeration.
        code: u32,
        /// What it says to a person.
        message: String,
    },
    /// It closed the connection, or is gone, without a protocol error.
    Closed(String),
}

impl Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Error { interface, code, message } => {
                write!(f, "{interface} error {code} ({message:?})")
            }
            Ended::Closed(why) => write!(f, "the connection closed without an error ({why})"),
        }
    }
}

impl From<&ProtocolError> for Ended {
    fn from(error: &ProtocolError) -> Self {
        let (interface, message) = (error.object_interface.clone(), error.message.clone());
        Self::Error { interface, code: error.code, message }
    }
}

/// One event.
pub struct Event {
    /// The interface that it belongs to.
    pub interface: &'static str,
    /// The object; its number alone would not do, because numbers are used again.
    pub object: ObjectId,
    /// The generated event enumeration of that interface.
    pub event: Box<dyn Any + Send>,
    /// It as text.
    pub text: String,
}

impl Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.text)
    }
}

/// Everything that came, in order, and what is offered.
#[derive(Debug, Default)]
pub struct Events {
    /// Every event.
    pub log: Vec<Event>,
    /// The globals: (name, interface, version).
    pub globals: Vec<(u32, String, u32)>,
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
        if let (Some(wm), Some(xdg_wm_base::Event::Ping { serial })) = (wm, event.downcast_ref()) {
            wm.pong(*serial);
        }
        // Some show a window only when it has agreed to the place that they have for it.
        let window = (proxy as &dyn Any).downcast_ref::<xdg_surface::XdgSurface>();
        if let (Some(window), Some(xdg_surface::Event::Configure { serial })) = (window, event.downcast_ref())
        {
            window.ack_configure(*serial);
        }
        match event.downcast_ref() {
            Some(wl_registry::Event::Global { name, interface, version }) => {
                state.globals.push((*name, interface.clone(), *version));
            }
            Some(wl_registry::Event::GlobalRemove { name }) => {
                state.globals.retain(|global| global.0 != *name);
            }
            _ => {}
        }
        state.log.push(Event { interface: I::interface().name, object: proxy.id(), event, text });
    }

    fn event_created_child(opcode: u16, qh: &QueueHandle<Self>) -> Arc<dyn ObjectData> {
        match I::interface().name {
            "wl_data_device" => qh.make_data::<wl_data_offer::WlDataOffer, ()>(()),
            "zwp_linux_buffer_params_v1" => qh.make_data::<wl_buffer::WlBuffer, ()>(()),
            // A bug of ours: the library knows these events, so a case that binds such an object names it here first.
            name => unreachable!("{name} event {opcode} creates an object that no case expects"),
        }
    }
}

/// A connection, its event queue and everything that came over it.
pub struct Client {
    /// The connection.
    pub connection: Connection,
    /// What came.
    pub events: Events,
    /// The registry.
    pub registry: wl_registry::WlRegistry,
    queue: EventQueue<Events>,
    socket: UnixStream,
    names: HashMap<u32, &'static str>,
    patience: Duration,
}

impl Client {
    /// Connects to a socket, and gets the list of globals. `patience` is how long any answer may take.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if nobody listens there, [`Stop::Hang`] if there is no answer.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Client, Stop> {
        let refused = |error: &dyn Display| Stop::fail("a connection", error);
        let stream = UnixStream::connect(socket).map_err(|error| refused(&error))?;
        let socket = stream.try_clone().map_err(|error| refused(&error))?;
        let connection = Connection::from_socket(stream).map_err(|error| refused(&error))?;
        let queue = connection.new_event_queue();
        let registry = connection.display().get_registry(&queue.handle(), ());
        let names = HashMap::from([(1, "wl_display"), (2, "wl_registry")]);
        let events = Events::default();
        let mut client = Client { connection, events, registry, queue, socket, names, patience };
        client.roundtrip()?;
        Ok(client)
    }

    /// The handle that requests want which create an object.
    pub fn qh(&self) -> QueueHandle<Events> {
        self.queue.handle()
    }

    /// How long an answer may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Changes how long an answer may take.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The socket, for what the library does not do. Reading from it takes events away from the library.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// The version in which an interface is offered.
    pub fn offered(&self, interface: &str) -> Option<u32> {
        self.events.globals.iter().find(|global| global.1 == interface).map(|global| global.2)
    }

    /// Binds a global in the version offered, but at most `most`.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if it is not offered.
    pub fn bind<I>(&mut self, most: u32) -> Result<I, Stop>
    where
        I: Proxy + Send + Sync + 'static,
        I::Event: Debug + Send + 'static,
    {
        self.bind_from(1, most)
    }

    /// Binds a global in the version offered, but at most `most`, and at least `least`.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if it is not offered, or only an older version.
    pub fn bind_from<I>(&mut self, least: u32, most: u32) -> Result<I, Stop>
    where
        I: Proxy + Send + Sync + 'static,
        I::Event: Debug + Send + 'static,
    {
        let name = I::interface().name;
        let global = self.events.globals.iter().find(|global| global.1 == name);
        let global = global.ok_or_else(|| Stop::skip(format_args!("{name} is not offered")))?;
        if global.2 < least {
            let offered = global.2;
            return Err(Stop::skip(format_args!("{name} {least} is not offered, only {offered}")));
        }
        let proxy = self.registry.bind(global.0, most.min(global.2), &self.queue.handle(), ());
        Ok(self.note(proxy))
    }

    /// Remembers which interface an object has, for when wayland-client cannot say it afterwards (see
    /// `late_error`), and hands it back.
    pub fn note<I: Proxy>(&mut self, proxy: I) -> I {
        self.names.insert(proxy.id().protocol_id(), I::interface().name);
        proxy
    }

    /// Sends what is pending, and waits until the compositor has dealt with all of it.
    ///
    /// # Errors
    ///
    /// [`Stop::Ended`] if the connection ended, [`Stop::Hang`] if there is no answer in time.
    pub fn roundtrip(&mut self) -> Result<(), Stop> {
        let callback = self.connection.display().sync(&self.queue.handle(), ());
        let done = callback.id();
        self.wait("the answer to wl_display.sync", move |events| {
            events.log.iter().rev().any(|event| event.object == done)
        })
    }

    /// Sends what is pending, and takes in what comes until `until` says that it is enough.
    ///
    /// # Errors
    ///
    /// [`Stop::Ended`] if the connection ended, [`Stop::Hang`] with `what` if the deadline passes first.
    pub fn wait(&mut self, what: &str, until: impl Fn(&Events) -> bool) -> Result<(), Stop> {
        let deadline = Instant::now() + self.patience;
        loop {
            self.dispatch()?;
            if until(&self.events) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Stop::Hang(what.to_owned()));
            }
            self.flush()?;
            self.read(Duration::from_millis(100))?;
        }
    }

    /// Takes in whatever has come, without waiting and without sending anything.
    ///
    /// # Errors
    ///
    /// [`Stop::Ended`] if the connection ended.
    pub fn pump(&mut self) -> Result<(), Stop> {
        self.read(Duration::ZERO)?;
        Ok(self.dispatch()?)
    }

    /// Sends what is pending.
    ///
    /// # Errors
    ///
    /// [`Stop::Ended`] if the connection ended, [`Stop::Hang`] if the compositor takes nothing more.
    pub fn flush(&mut self) -> Result<(), Stop> {
        loop {
            match self.connection.flush() {
                Ok(()) => return Ok(()),
                Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    // The compositor reads too slowly, or not at all because it waits for us to read.
                    let mut fds = [PollFd::new(&self.socket, PollFlags::OUT | PollFlags::IN)];
                    let timeout = self.patience.try_into().ok();
                    if poll(&mut fds, timeout.as_ref()) == Ok(0) {
                        return Err(Stop::Hang("the compositor to take more requests".to_owned()));
                    }
                    self.read(Duration::ZERO)?;
                }
                Err(error) => return Err(self.why(&error).into()),
            }
        }
    }

    fn dispatch(&mut self) -> Result<(), Ended> {
        self.queue.dispatch_pending(&mut self.events).map(drop).map_err(|error| match error {
            wayland_client::DispatchError::Backend(error) => self.why(&error),
            error => Ended::Closed(error.to_string()),
        })
    }

    fn read(&mut self, most: Duration) -> Result<(), Ended> {
        let Some(guard) = self.connection.prepare_read() else { return Ok(()) };
        let timeout = most.try_into().ok();
        if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], timeout.as_ref()) == Ok(0) {
            return Ok(());
        }
        match guard.read() {
            Ok(_) => Ok(()),
            Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(self.why(&error)),
        }
    }

    fn why(&self, error: &WaylandError) -> Ended {
        match (self.connection.protocol_error(), error) {
            (Some(error), _) => Ended::from(&error),
            (None, WaylandError::Protocol(error)) => Ended::from(error),
            (None, error) => self.late_error().unwrap_or_else(|| Ended::Closed(error.to_string())),
        }
    }

    /// The protocol error that is still in the socket. wayland-client reads no more once a write failed, which happens
    /// when the compositor closed the connection between our read and our write; what it said last is there all the same.
    fn late_error(&self) -> Option<Ended> {
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        self.socket.set_nonblocking(true).ok()?;
        while let Ok(n @ 1..) = (&self.socket).read(&mut part) {
            bytes.extend_from_slice(part.get(..n)?);
        }
        let DisplayError { object, code, message } = DisplayError::find(&bytes)?;
        let interface = self.names.get(&object).copied().unwrap_or_default().to_owned();
        Some(Ended::Error { interface, code, message })
    }

    /// The events that came for an object, in order.
    pub fn of<I>(&self, proxy: &I) -> Vec<&I::Event>
    where
        I: Proxy,
        I::Event: 'static,
    {
        let object = proxy.id();
        let log = self.events.log.iter().filter(|event| event.object == object);
        log.filter_map(|event| event.event.downcast_ref()).collect()
    }

    /// Waits until an object has got at least `count` events.
    ///
    /// # Errors
    ///
    /// As [`Client::wait`].
    pub fn wait_for<I>(&mut self, proxy: &I, count: usize) -> Result<(), Stop>
    where
        I: Proxy,
        I::Event: 'static,
    {
        let (object, interface) = (proxy.id(), I::interface().name);
        let what = if count == 1 {
            format!("an event of {interface}")
        } else {
            format!("{count} events of {interface}")
        };
        self.wait(&what, move |events| {
            let of_it =
                events.log.iter().filter(|event| event.object == object && event.event.is::<I::Event>());
            of_it.count() >= count
        })
    }

    /// Makes a pool of any fd and any size.
    pub fn pool(
        &mut self,
        shm: &wayland_client::protocol::wl_shm::WlShm,
        fd: impl AsFd,
        size: i32,
    ) -> wayland_client::protocol::wl_shm_pool::WlShmPool {
        let pool = shm.create_pool(fd.as_fd(), size, &self.queue.handle(), ());
        self.note(pool)
    }
}
