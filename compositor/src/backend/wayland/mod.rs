//! A window in another compositor, the host: the screen of a nested selkie.
//!
//! The picture is drawn into memory of our own and handed over as any client does it; the host's frame
//! callbacks are the clock, its pointer and keyboard are ours. Hosts differ in what they offer: without a seat
//! there is no input, without wp_presentation no presentation times, without decorations none.
//!
//! Nothing here runs but when the host says something or [`Host::present`] is called.

mod dmabuf;
mod event;
mod exports;
mod imports;
mod input;
mod layer;
mod layers;
mod swapchain;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use calloop::generic::Generic;
use calloop::{Interest, LoopHandle, Mode, PostAction};
use shm_core::own::OwnError;
use smithay_client_toolkit::compositor::CompositorState;
use smithay_client_toolkit::output::OutputState;
use smithay_client_toolkit::registry::RegistryState;
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::xdg::XdgShell;
use smithay_client_toolkit::shell::xdg::window::{Window, WindowDecorations};
use wayland_client::backend::WaylandError;
use wayland_client::globals::{BindError, GlobalError, registry_queue_init};
use wayland_client::protocol::{wl_output, wl_seat, wl_shm, wl_surface};
use wayland_client::{ConnectError, Connection, DispatchError, EventQueue, Proxy, QueueHandle};

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation::WpPresentation;

pub(crate) use event::{HostEvent, Keyboard, Pointer, Screen};
pub use exports::MOST_PIXELS;
pub(crate) use exports::Obstacle;
pub use imports::IMPORTED_STRIDE;
pub(crate) use imports::NotImported;
pub(crate) use layers::Export;
pub(crate) use swapchain::Drawing;

use crate::config::Import;
use crate::geometry::{Region, Size};
use crate::scene::Scene;
use dmabuf::Dmabufs;
use exports::{Shm, ShmFormats};
use imports::Imports;
use input::{Input, Seats};
use layers::{Beat, Layers, damage_buffer};
use swapchain::{Owner, Swapchain};
use window::{Clock, FrameNumber};

/// Why there is no host, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No session to open a window in.
    #[error(
        "WAYLAND_DISPLAY is not set, so there is no session to open a window in: start this in one, or use --backend headless"
    )]
    NoDisplay,
    /// A relative name has no meaning.
    #[error("XDG_RUNTIME_DIR is not set, so the socket {0:?} cannot be found: set it as your session does")]
    NoRuntimeDir(OsString),
    /// Nobody answers.
    #[error("cannot reach the compositor at {}: is it running? (--backend headless needs none)", path.display())]
    Unreachable {
        /// Its socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `WAYLAND_SOCKET` is no connection.
    #[error("WAYLAND_SOCKET does not name an open connection")]
    BadSocket(#[source] ConnectError),
    /// It is no compositor for windows.
    #[error("the host compositor offers no usable {interface}, without which there can be no window")]
    Missing {
        /// The Wayland interface.
        interface: &'static str,
        /// Whether it is not there or too old.
        source: BindError,
    },
    /// The connection ended.
    #[error("the host compositor is gone")]
    Gone(#[source] io::Error),
    /// The host ended the connection because of something that we did: a bug, here or there.
    #[error("the host compositor ended the connection: {0}")]
    Refused(String),
    /// There is no memory for the picture.
    #[error("cannot make memory for the picture")]
    Memory(#[from] OwnError),
}

impl From<WaylandError> for HostError {
    fn from(error: WaylandError) -> Self {
        match error {
            WaylandError::Io(source) => HostError::Gone(source),
            WaylandError::Protocol(e) => HostError::Refused(e.to_string()),
        }
    }
}

impl From<DispatchError> for HostError {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::Backend(e) => e.into(),
            bad @ DispatchError::BadMessage { .. } => HostError::Refused(bad.to_string()),
        }
    }
}

/// Frames that go to the host before it asks for one: many more than a client makes that waits to be asked.
const MOST_FRAMES: u32 = 32;

/// The data of objects whose events say nothing to us.
struct Silent;

/// The host, and our window in it.
pub(crate) struct Host {
    connection: Connection,
    /// Absent only while it dispatches to the rest of this.
    queue: Option<EventQueue<Host>>,
    handle: QueueHandle<Host>,
    registry: RegistryState,
    outputs: OutputState,
    presentation: Option<WpPresentation>,
    window: Window,
    /// Held because the window was made with it.
    _shell: XdgShell,
    input: Input,
    shm: wl_shm::WlShm,
    shm_formats: ShmFormats,
    dmabufs: Dmabufs,
    imports: Imports,
    swapchain: Swapchain,
    layers: Layers,
    events: VecDeque<HostEvent>,
    /// The screens that the window is on.
    on: Vec<wl_output::WlOutput>,
    clock_id: Option<u32>,
    configured: bool,
    /// The window's size as the host counts.
    logical: Size,
    scale: i32,
    /// What was told last.
    screen: Screen,
    /// Whether a frame callback of the window's is still to come.
    waiting: bool,
    /// The layer of which one is to come because nothing of the window can be seen.
    waiting_top: Option<u64>,
    /// Whether a layer was asked for one in the frame that is being made.
    asked: bool,
    /// Whether something was committed that shows with the window's next commit.
    changed: bool,
    /// Frames handed over since the host last asked for one.
    frames_since_beat: u32,
    /// Whether one of them took drawing.
    drew_since_beat: bool,
    frames: u64,
    lost: bool,
}

impl Host {
    /// Opens a window of `size` (as the host counts; it may choose another) in the compositor at `display`, by default
    /// the one of this session. Returns when the host has said how large it is: see [`Host::screen`].
    ///
    /// # Errors
    ///
    /// [`HostError`], which says what to do.
    pub fn connect(display: Option<&OsStr>, size: Size, import: Import) -> Result<Self, HostError> {
        let connection = open(display)?;
        let (globals, mut queue) = registry_queue_init::<Host>(&connection).map_err(|e| match e {
            GlobalError::Backend(e) => HostError::from(e),
            GlobalError::InvalidId(e) => HostError::Refused(e.to_string()),
        })?;
        let handle = queue.handle();
        let missing = |interface| move |source| HostError::Missing { interface, source };
        let compositor = CompositorState::bind(&globals, &handle).map_err(missing("wl_compositor"))?;
        let shell = XdgShell::bind(&globals, &handle).map_err(missing("xdg_wm_base"))?;
        let shm: wl_shm::WlShm = globals.bind(&handle, 1..=1, Shm).map_err(missing("wl_shm"))?;
        let surface = compositor.create_surface(&handle);
        let window = shell.create_window(surface, WindowDecorations::RequestServer, &handle);
        window.set_title("selkie");
        window.set_app_id("selkie");
        window.commit();
        let mut host = Host {
            registry: RegistryState::new(&globals),
            outputs: OutputState::new(&globals, &handle),
            presentation: globals.bind(&handle, 1..=1, Clock).ok(),
            window,
            _shell: shell,
            input: Input::default(),
            swapchain: Swapchain::new(shm.clone(), handle.clone(), Owner::Window),
            layers: Layers::bind(&globals, &handle, compositor.wl_compositor().clone()),
            shm,
            shm_formats: ShmFormats::default(),
            dmabufs: Dmabufs::bind(&globals, &handle),
            imports: Imports::new(import),
            events: VecDeque::new(),
            on: Vec::new(),
            clock_id: None,
            configured: false,
            logical: size,
            scale: 1,
            screen: Screen::default(),
            waiting: false,
            waiting_top: None,
            asked: false,
            changed: false,
            frames_since_beat: 0,
            drew_since_beat: false,
            frames: 0,
            lost: false,
            connection,
            queue: None,
            handle: handle.clone(),
        };
        let seat = wl_seat::WlSeat::interface().name;
        let seat = host.registry.globals_by_interface(seat).next().map(|g| (g.name, g.version));
        if let Some((name, version)) = seat {
            Seats::found(&mut host, &handle, name, version);
        }
        while !host.configured {
            queue.roundtrip(&mut host)?;
        }
        host.offer_legacy_dmabufs();
        host.queue = Some(queue);
        Ok(host)
    }

    /// What we show on.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// The clock of [`PresentedAt::ns`], a `clockid_t`; `None` where the host tells no times.
    pub fn clock_id(&self) -> Option<u32> {
        self.clock_id
    }

    /// Whether the host takes another frame.
    ///
    /// A frame that takes no drawing goes on as soon as it is there, so that it loses no time here. But a client that does not
    /// wait for its callbacks must not flood the host, so only so many go on before the host asks for one.
    pub fn is_ready(&self) -> bool {
        !self.lost && self.frames_since_beat < MOST_FRAMES
    }

    /// Whether it is time to draw: once for each frame that the host shows.
    pub fn may_draw(&self) -> bool {
        !self.drew_since_beat
    }

    /// Memory to draw the next frame into, which differs from the last one presented in `damage`; `None` if the host
    /// still reads all of it.
    ///
    /// # Errors
    ///
    /// [`HostError::Memory`].
    pub fn acquire(&mut self, damage: &Region) -> Result<Option<Drawing>, HostError> {
        Ok(self.swapchain.acquire(self.screen.size, damage)?)
    }

    /// Has the window show what was drawn into the memory last acquired; `damage` is where it differs from the last frame. Returns
    /// the number for [`HostEvent::Presented`], 0 unless `told` asks for one.
    pub fn show_window(&mut self, damage: &Region, told: bool) -> u64 {
        let number = self.next_frame();
        let surface = window::surface(&self.window);
        let Some(buffer) = self.swapchain.present() else { return 0 };
        let since = surface.version();
        surface.attach(Some(buffer), 0, 0);
        if since >= wl_surface::REQ_SET_BUFFER_SCALE_SINCE {
            surface.set_buffer_scale(self.screen.scale);
        }
        damage_buffer(surface, damage);
        self.changed = true;
        match &self.presentation {
            Some(presentation) if told => {
                presentation.feedback(surface, &self.handle, FrameNumber { number, exported: false });
                number
            }
            _ => 0,
        }
    }

    /// Ends a frame that shows `scene`: what was shown since the last one appears at once, and what was not shown any more goes.
    /// If that is nothing, nothing is sent, unless `tick` asks for [`HostEvent::FrameDone`] all the same.
    pub fn finish(&mut self, scene: &Scene, drew: bool, tick: bool) {
        let gone = self.settle(&scene.elements);
        // A layer that is asked when its client's next frame is due tells ours as well. But where it is not to be seen it may
        // never tell: so if that of the last frame has not, the others are asked.
        let asked = std::mem::take(&mut self.asked) && self.frames_since_beat == 0;
        if tick || drew || (self.changed && !asked) {
            let surface = window::surface(&self.window);
            if !std::mem::replace(&mut self.waiting, true) {
                surface.frame(&self.handle, Beat::Window);
                self.changed = true;
            }
            // A host need not ask for frames of what cannot be seen.
            if scene.covered {
                self.ask_top();
            }
        }
        self.commit_layers();
        if std::mem::take(&mut self.changed) {
            window::surface(&self.window).commit();
            self.frames_since_beat += 1;
            self.drew_since_beat |= drew;
        }
        self.settled(gone);
    }

    fn next_frame(&mut self) -> u64 {
        self.frames += 1;
        self.frames
    }

    fn swapchain_of(&mut self, owner: Owner) -> Option<&mut Swapchain> {
        match owner {
            Owner::Window => Some(&mut self.swapchain),
            Owner::Layer(number) => self.layers.swapchain(number),
        }
    }

    /// Whether the host tells when frames turn to light; else there is only [`HostEvent::FrameDone`].
    pub fn has_presentation(&self) -> bool {
        self.presentation.is_some()
    }

    /// Sends what is buffered. To be called before the loop sleeps.
    ///
    /// A host that does not read gets the rest with the next call; one that is gone shows as [`HostEvent::Lost`] when the
    /// loop next looks at the connection.
    pub fn flush(&self) {
        if let Err(WaylandError::Io(e)) = self.connection.flush()
            && e.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!("cannot write to the host: {e}");
        }
    }

    /// Has the loop `handle` listen to the host: `get` finds the host in the loop's data, `on_event` is called for
    /// each event, after those that came with it were read.
    ///
    /// # Errors
    ///
    /// [`HostError::Gone`] if the connection cannot be watched.
    pub fn insert<D: 'static>(
        &self,
        handle: &LoopHandle<'_, D>,
        get: fn(&mut D) -> Option<&mut Host>,
        on_event: fn(&mut D, HostEvent),
    ) -> Result<(), HostError> {
        let source = Generic::new(self.connection.clone(), Interest::READ, Mode::Level);
        let source = handle.insert_source(source, move |_, _, data: &mut D| {
            let Some(host) = get(data) else { return Ok(PostAction::Remove) };
            host.read();
            // An event may make the host go away.
            while let Some(event) = get(data).and_then(|h| h.events.pop_front()) {
                on_event(data, event);
            }
            match get(data) {
                Some(host) if !host.lost => Ok(PostAction::Continue),
                _ => Ok(PostAction::Remove),
            }
        });
        source.map_err(|e| HostError::Gone(io::Error::other(e.error)))?;
        Ok(())
    }

    /// Events that came before the loop listened: the first keymap, for one. To be called once, after
    /// [`Host::insert`], by who handles events.
    pub fn take_events(&mut self) -> VecDeque<HostEvent> {
        std::mem::take(&mut self.events)
    }

    /// Reads all that the host sent, and collects it as events.
    fn read(&mut self) {
        let Some(mut queue) = self.queue.take() else { return };
        if let Err(e) = read(&mut queue, self) {
            self.lost = true;
            self.events.push_back(HostEvent::Lost(e));
        }
        self.queue = Some(queue);
    }
}

fn read(queue: &mut EventQueue<Host>, host: &mut Host) -> Result<(), HostError> {
    // Answers (a ping's) must not wait for the next frame.
    host.flush();
    queue.dispatch_pending(host)?;
    if let Some(guard) = queue.prepare_read() {
        match guard.read() {
            Ok(_) => {}
            Err(WaylandError::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => {
                // What came before the end still counts, and may hold the reason for it.
                queue.dispatch_pending(host)?;
                return Err(e.into());
            }
        }
    }
    queue.dispatch_pending(host)?;
    host.flush();
    Ok(())
}

fn open(display: Option<&OsStr>) -> Result<Connection, HostError> {
    if display.is_none() && std::env::var_os("WAYLAND_SOCKET").is_some() {
        return Connection::connect_to_env().map_err(HostError::BadSocket);
    }
    let name = display.map(OsStr::to_owned).or_else(|| std::env::var_os("WAYLAND_DISPLAY"));
    let name = name.filter(|n| !n.is_empty()).ok_or(HostError::NoDisplay)?;
    let path = if Path::new(&name).is_absolute() {
        PathBuf::from(&name)
    } else {
        let dir = std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty());
        Path::new(&dir.ok_or_else(|| HostError::NoRuntimeDir(name.clone()))?).join(&name)
    };
    let stream = UnixStream::connect(&path);
    let stream = stream.map_err(|source| HostError::Unreachable { path: path.clone(), source })?;
    let gone = |e: ConnectError| HostError::Unreachable { path, source: io::Error::other(e) };
    Connection::from_socket(stream).map_err(gone)
}
