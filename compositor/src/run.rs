//! A compositor's life: start, run, end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use calloop::channel::{self, Channel, Sender};
use calloop::generic::Generic;
use calloop::signals::{Signal, Signals};
use calloop::{EventLoop, Interest, Mode, PostAction};
use wayland_server::{BindError, Display, ListeningSocket};

use crate::backend::wayland::{Host, HostError, Screen};
use crate::backend::{Backend, Headless, Nested};
use crate::buffer::Policy;
use crate::capture::CaptureError;
use crate::config::{BackendKind, Config};
use crate::connections::Connections;
use crate::frame::Frames;
use crate::held::HeldCommits;
use crate::ledger::{ClientRecord, Ledger};
use crate::pictures::Pictures;
use crate::protocol::dmabuf_feedback::{self, Dmabufs};
use crate::protocol::{self, output::OutputState};
use crate::report::{Report, ReportError};
use crate::scene::Scene;
use crate::screencopy::Screencopy;
use crate::seat::{InputEvent, KeymapError, Seat};
use crate::server::Server;
use crate::shell::Shell;
use crate::surface::Surfaces;

/// A compositor that cannot start: a sentence for the user, and what the system said.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nowhere to put the socket.
    #[error(
        "XDG_RUNTIME_DIR is not set: selkie puts its socket there and nowhere else; set it to a directory that only you may enter"
    )]
    NoRuntimeDir,
    /// Another compositor has that socket.
    #[error("a compositor is already running at socket {0:?}: choose another name with --socket")]
    SocketInUse(String),
    /// All of the usual names are taken.
    #[error("wayland-1 to wayland-32 are all in use: choose a name with --socket")]
    NoFreeSocket,
    /// The name is no plain name.
    #[error("{0:?} is no socket name: it must be a name in XDG_RUNTIME_DIR, without slashes")]
    SocketName(String),
    /// The socket could not be made.
    #[error("cannot make the socket {name:?} in XDG_RUNTIME_DIR: is it a directory that you may write to?")]
    Socket {
        /// The socket's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The size has no pixels, or too many.
    #[error("an output of {0}x{1} pixels cannot be: both must be between 1 and 16384")]
    Size(i32, i32),
    /// The report could not be begun.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A picture could not be begun.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// There is no compositor to open a window in.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no keymap to give to clients.
    #[error("cannot prepare the keyboard")]
    Keymap(#[from] KeymapError),
    /// Something the system has to give could not be had.
    #[error("cannot start the event loop")]
    Loop(#[source] io::Error),
}

/// What ended a compositor that should have gone on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The loop itself failed.
    #[error("the event loop failed")]
    Loop(#[source] calloop::Error),
    /// The host compositor is gone, or nothing can be shown in it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The report is incomplete.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A picture could not be written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// Why a compositor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Not yet.
    Running,
    /// A [`Remote`] asked for it.
    Asked,
    /// A signal asked for it.
    Signal,
    /// All frames asked for were shown.
    Frames,
    /// Its window was closed.
    Closed,
    /// It had to; the error says why.
    Failed,
}

/// What a compositor has to say when it ends.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Why it ended.
    pub ended: Ended,
    /// Frames that showed a client.
    pub frames: u64,
    /// The clients, in the order in which they came.
    pub clients: Vec<ClientRecord>,
}

/// Asks a running compositor for something, from any thread.
#[derive(Clone)]
pub struct Remote(Sender<Ask>);

enum Ask {
    Stop,
    Adopt { stream: UnixStream, label: String, policy: Policy },
    Input(InputEvent),
    Keymap(OwnedFd, u32),
    Summary(std::sync::mpsc::Sender<Summary>),
}

impl Remote {
    /// Has it end.
    pub fn stop(&self) {
        // One that has ended already needs no telling.
        let _ = self.0.send(Ask::Stop);
    }

    /// Takes in a client that is connected by `stream`, under a policy and a name of its own.
    pub fn insert_client(&self, stream: UnixStream, label: impl Into<String>, policy: Policy) {
        let _ = self.0.send(Ask::Adopt { stream, label: label.into(), policy });
    }

    /// Has it deal with something that a person did, as if a device had reported it.
    pub fn input(&self, event: InputEvent) {
        let _ = self.0.send(Ask::Input(event));
    }

    /// Has it use another keymap: `size` bytes of `fd`, as `wl_keyboard.keymap` gives one to clients.
    pub fn input_keymap(&self, fd: OwnedFd, size: u32) {
        let _ = self.0.send(Ask::Keymap(fd, size));
    }

    /// What it would say if it ended now; `None` if it has ended.
    pub fn summary(&self) -> Option<Summary> {
        let (tx, rx) = std::sync::mpsc::channel();
        self.0.send(Ask::Summary(tx)).ok()?;
        rx.recv().ok()
    }
}

/// A compositor that accepts clients.
pub struct Compositor {
    event_loop: EventLoop<'static, Server>,
    server: Server,
    name: OsString,
    remote: Remote,
}

impl Compositor {
    /// Starts a compositor: its socket is there when this returns.
    ///
    /// # Errors
    ///
    /// [`StartError`], which says what to do.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::build(config, |name| listen(name).map(Some))
    }

    fn build(
        mut config: Config,
        listen: impl FnOnce(Option<&str>) -> Result<Option<ListeningSocket>, StartError>,
    ) -> Result<Self, StartError> {
        let size = config.size;
        if !(1..=16384).contains(&size.w) || !(1..=16384).contains(&size.h) {
            return Err(StartError::Size(size.w, size.h));
        }
        match shm_core::process::raise_fd_limit() {
            // A pool keeps an fd, and so does a dma-buf, and no client may have them all.
            Ok(fds) => {
                config.limits.pools = config.limits.pools.min(fds / 2);
                config.limits.dmabufs = config.limits.dmabufs.min(fds / 4);
            }
            Err(e) => tracing::warn!("cannot raise the limit of open files: {e}"),
        }
        let report = config.report.as_deref().map(Report::create).transpose()?;
        let pictures = Pictures::create(&config)?;
        let event_loop: EventLoop<'static, Server> = EventLoop::try_new().map_err(loop_error)?;
        if config.stop_on_signals {
            // Before anything starts a thread: the threads inherit that they do not get them.
            let signals = Signals::new(&[Signal::SIGINT, Signal::SIGTERM])
                .map_err(|e| StartError::Loop(io::Error::other(e)))?;
            let stop = |_, (): &mut (), server: &mut Server| server.end(Ended::Signal);
            event_loop.handle().insert_source(signals, stop).map_err(|e| loop_error(e.error))?;
        }
        let display: Display<Server> = Display::new().map_err(|e| StartError::Loop(io::Error::other(e)))?;
        let handle = display.handle();
        handle.set_default_max_buffer_size(config.limits.unread_bytes);
        protocol::advertise(&handle);
        let dmabufs = config.dmabuf.unwrap_or_else(dmabuf_feedback::can_exist);
        protocol::linux_dmabuf::advertise_if(&handle, dmabufs);
        protocol::drm_syncobj::advertise_if(&handle, dmabufs);
        if config.screencopy {
            protocol::screencopy::advertise(&handle);
        }
        let listener = listen(config.socket.as_deref())?;
        let name = listener.as_ref().and_then(|l| l.socket_name()).map(OsStr::to_owned).unwrap_or_default();
        let backend = open(&config)?;
        let (tx, rx) = channel::channel();
        let screen = match &backend {
            Backend::Wayland(nested) => nested.host.screen(),
            Backend::Headless(_) => {
                let mhz = u64::from(config.refresh_hz) * 1000;
                Screen { size, scale: 1, refresh_mhz: i32::try_from(mhz).unwrap_or(i32::MAX) }
            }
        };
        let server = Server {
            handle: event_loop.handle(),
            stop: event_loop.get_signal(),
            surfaces: Surfaces::default(),
            regions: Default::default(),
            shell: Shell::new(&handle),
            seat: Seat::new(&handle)?,
            output: OutputState::new(screen.size, screen.scale, screen.refresh_mhz),
            frames: Frames::default(),
            scene: Scene::default(),
            ledger: Ledger::new(report),
            backend,
            pictures,
            screencopy: Screencopy::default(),
            connections: Connections::new(display, config.limits.clone()).map_err(StartError::Loop)?,
            dmabufs: Dmabufs::new(),
            held: HeldCommits::default(),
            failure: None,
            spare_fd: spare_fd(),
            ended: Ended::Running,
            last_id: 0,
            display: handle,
            config,
        };
        let mut compositor = Self { event_loop, server, name, remote: Remote(tx) };
        compositor.insert_sources(listener, rx).map_err(loop_error)?;
        compositor.insert_host()?;
        Ok(compositor)
    }

    /// The name of its socket, for `WAYLAND_DISPLAY`.
    pub fn socket_name(&self) -> &OsStr {
        &self.name
    }

    /// Where its picture goes, in words.
    pub fn describe(&self) -> String {
        self.server.backend.describe()
    }

    /// A way to reach it while it runs.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    fn insert_sources(&self, listener: Option<ListeningSocket>, asks: Channel<Ask>) -> calloop::Result<()> {
        let handle = self.event_loop.handle();
        if let Some(listener) = listener {
            let listener = Generic::new(listener, Interest::READ, Mode::Level);
            handle.insert_source(listener, |_, listener, server: &mut Server| {
                server.accept(listener);
                Ok(PostAction::Continue)
            })?;
        }
        handle.insert_source(asks, |event, (), server: &mut Server| match event {
            channel::Event::Msg(ask) => server.answer(ask),
            channel::Event::Closed => {}
        })?;
        Ok(())
    }

    fn insert_host(&mut self) -> Result<(), StartError> {
        let handle = self.event_loop.handle();
        let Some(host) = self.server.backend.host() else { return Ok(()) };
        host.insert(&handle, |server: &mut Server| server.backend.host(), Server::host_event)?;
        for event in host.take_events() {
            self.server.host_event(event);
        }
        Ok(())
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`RunError`] if it had to end, or could not write what it was to write.
    pub fn run(mut self) -> Result<Summary, RunError> {
        self.server.connections.set_baseline();
        // The background, before there is anything else to see.
        self.server.schedule_frame();
        // The loop turns when something happens, and nothing may: a host that has said all it has to say
        // waits for that picture.
        self.server.after_events();
        if self.server.ended == Ended::Running {
            self.event_loop.run(None, &mut self.server, Server::after_events).map_err(RunError::Loop)?;
        }
        let server = &mut self.server;
        let summary = server.summary();
        let finished = server.ledger.finish();
        server.build_scene();
        let pictures = server.pictures.finish(&mut server.backend, &server.scene, crate::clock::now_ns());
        server.scene.elements.clear();
        if let Some(failure) = server.failure.take() {
            return Err(failure);
        }
        finished?;
        pictures?;
        Ok(summary)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Compositor {
    /// One without a socket.
    pub(crate) fn without_socket(config: Config) -> Result<Self, StartError> {
        Self::build(config, |_| Ok(None))
    }

    /// Deals with all that has happened, without waiting for more.
    pub(crate) fn step(&mut self) {
        self.event_loop.dispatch(std::time::Duration::ZERO, &mut self.server).expect("the loop works");
        self.server.after_events();
    }

    /// What runs.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Server {
    /// To be called whenever the loop has no events left.
    fn after_events(&mut self) {
        self.reap();
        self.frame_if_due();
        self.take_pictures();
        self.flush();
        self.backend.flush();
        // Once per turn, not per line: who watches the report is never more than a turn behind.
        self.ledger.flush();
    }

    /// Ends the compositor because of `error`.
    pub fn fail(&mut self, error: RunError) {
        self.failure.get_or_insert(error);
        self.end(Ended::Failed);
    }

    /// Ends the compositor; the first reason given is the reason.
    pub fn end(&mut self, why: Ended) {
        if self.ended == Ended::Running {
            self.ended = why;
        }
        self.stop.stop();
    }

    /// Takes in all clients that wait at the socket.
    fn accept(&mut self, listener: &ListeningSocket) {
        loop {
            match listener.accept() {
                Ok(Some(stream)) => {
                    if let Err(e) = self.insert_client(stream, None, None) {
                        tracing::warn!("cannot take a client in: {e}");
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    tracing::warn!("cannot accept a client: {e}");
                    if !self.turn_away(listener, &e) {
                        break;
                    }
                }
            }
        }
    }

    /// Without a free fd a client can be neither let in nor told, and the socket would stay
    /// readable for ever. So one fd is kept for turning such a client away. Returns whether there
    /// may be more waiting.
    fn turn_away(&mut self, listener: &ListeningSocket, error: &io::Error) -> bool {
        let full = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|e| e.raw_os_error());
        if !error.raw_os_error().is_some_and(|e| full.contains(&e)) || self.spare_fd.take().is_none() {
            return false;
        }
        let turned_away = matches!(listener.accept(), Ok(Some(_)));
        self.spare_fd = spare_fd();
        turned_away
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Stop => self.end(Ended::Asked),
            Ask::Adopt { stream, label, policy } => {
                if let Err(e) = self.insert_client(stream, Some(label), Some(policy)) {
                    tracing::warn!("cannot take a client in: {e}");
                }
            }
            Ask::Input(event) => self.input(event),
            Ask::Keymap(fd, size) => self.input_keymap(fd, size),
            Ask::Summary(reply) => {
                // Whoever asked may have lost interest.
                let _ = reply.send(self.summary());
            }
        }
    }

    fn summary(&self) -> Summary {
        Summary {
            ended: self.ended,
            frames: self.frames.shown,
            clients: self.ledger.clients().cloned().collect(),
        }
    }
}

/// An fd of nothing, to be given up when another is needed.
fn spare_fd() -> Option<OwnedFd> {
    rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).ok()
}

fn open(config: &Config) -> Result<Backend, StartError> {
    let headless = || Backend::Headless(Headless::new(config.size, config.refresh_hz));
    let nested = |host| Backend::Wayland(Box::new(Nested::new(host, config.compose)));
    match config.backend {
        BackendKind::Headless => Ok(headless()),
        BackendKind::Wayland => Ok(nested(Host::connect(None, config.size, config.import)?)),
        BackendKind::Auto => match Host::connect(None, config.size, config.import) {
            Ok(host) => Ok(nested(host)),
            Err(e @ (HostError::NoDisplay | HostError::NoRuntimeDir(_) | HostError::Unreachable { .. })) => {
                tracing::info!("headless, since there is no session: {e}");
                Ok(headless())
            }
            Err(e) => Err(e.into()),
        },
    }
}

fn loop_error(error: calloop::Error) -> StartError {
    StartError::Loop(io::Error::other(error))
}

fn listen(name: Option<&str>) -> Result<ListeningSocket, StartError> {
    let dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let dir = dir.ok_or(StartError::NoRuntimeDir)?;
    // What fails for this reason comes back as a lack of permission below.
    let missing = std::fs::metadata(dir).err();
    let (bound, name) = match name {
        Some(name) if name.is_empty() || name.contains('/') => {
            return Err(StartError::SocketName(name.to_owned()));
        }
        Some(name) => (ListeningSocket::bind(name), name.to_owned()),
        None => (ListeningSocket::bind_auto("wayland", 1..33), "wayland-N".to_owned()),
    };
    bound.map_err(|e| match e {
        BindError::RuntimeDirNotSet => StartError::NoRuntimeDir,
        BindError::AlreadyInUse if name == "wayland-N" => StartError::NoFreeSocket,
        BindError::AlreadyInUse => StartError::SocketInUse(name),
        BindError::PermissionDenied => {
            StartError::Socket { name, source: missing.unwrap_or(io::ErrorKind::PermissionDenied.into()) }
        }
        BindError::Io(source) => StartError::Socket { name, source },
    })
}
