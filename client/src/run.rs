//! One run from connecting to the statistics.

use std::io;
use std::time::Duration;

use calloop::ping::{Ping, PingSource, make_ping};
use calloop::signals::{Signal, Signals};
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, LoopHandle};
use calloop_wayland_source::WaylandSource;
use selkie_protocols::upstream::wp::viewporter::client::wp_viewporter::WpViewporter;
use smithay_client_toolkit::registry::RegistryState;
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::xdg::XdgShell;
use smithay_client_toolkit::shell::xdg::window::WindowDecorations;
use smithay_client_toolkit::shm::Shm;
use wayland_client::globals::{GlobalError, GlobalList, registry_queue_init};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::{Dispatch, EventQueue, Proxy, QueueHandle};

use crate::config::Config;
use crate::connection::Line;
use crate::dmabuf::{Dmabuf, FormatEvents};
use crate::error::ClientError;
use crate::handlers::{ClockTag, Quiet};
use crate::layer::Layer;
use crate::report::Report;
use crate::source::BufferKind;
use crate::stats::{Ended, Statistics};
use crate::window::{Observer, Parts, State};

/// Ends a run from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(Ping);

impl Stopper {
    /// Asks the run to end. It does so as soon as the compositor has told what it knows of its buffers.
    pub fn stop(&self) {
        self.0.ping();
    }
}

/// The other end of a [`Stopper`], for [`Hooks::stop`].
#[derive(Debug)]
pub struct StopSource(PingSource);

/// A way to end a run from another thread.
///
/// # Errors
///
/// If the system has no file descriptor left.
pub fn stopper() -> io::Result<(Stopper, StopSource)> {
    let (ping, source) = make_ping()?;
    Ok((Stopper(ping), StopSource(source)))
}

/// How a program takes part in a run.
#[derive(Default)]
pub struct Hooks {
    /// Ends the run when told.
    pub stop: Option<StopSource>,
    /// Is told what happens.
    pub observer: Option<Observer>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// Runs the client until it has shown its frames, its window is closed, or something is wrong.
///
/// # Errors
///
/// See [`ClientError`]; [`ClientError::Protocol`] is what a compositor says that does not like the memory.
pub fn run(config: Config) -> Result<Statistics, ClientError> {
    let (statistics, result) = run_with(config, Hooks::default());
    result.map(|()| statistics)
}

/// As [`run`], with hooks. Also a run that failed has statistics, up to where it got.
pub fn run_with(config: Config, hooks: Hooks) -> (Statistics, Result<(), ClientError>) {
    let statistics = Statistics::new(&config);
    let mut started = match Run::start(config, hooks) {
        Ok(started) => started,
        Err(error) => return (statistics, Err(error)),
    };
    let result = started.go();
    if result.is_err() {
        started.state.statistics.ended = Ended::Failed;
    }
    let closed = started.state.close();
    let Run { line, state, .. } = started;
    let statistics = state.statistics.clone();
    // Takes the window off the screen; the rest goes with the connection.
    drop(state);
    let _ = line.connection.flush();
    (statistics, result.and(closed))
}

struct Run {
    line: Line,
    event_loop: EventLoop<'static, State>,
    state: State,
    deadline: Option<Duration>,
    expired: std::rc::Rc<std::cell::Cell<bool>>,
}

impl Run {
    fn start(config: Config, hooks: Hooks) -> Result<Run, ClientError> {
        config.check()?;
        let report = Report::create(config.report.as_deref())?;
        let line = Line::open(config.display.as_deref())?;
        let (globals, queue) = registry_queue_init(&line.connection).map_err(|error| {
            line.post_mortem(match error {
                GlobalError::Backend(wayland_client::backend::WaylandError::Io(error)) => error,
                other => io::Error::other(other),
            })
        })?;
        let event_loop = EventLoop::try_new().map_err(|source| ClientError::EventLoop { source })?;
        let deadline = config.deadline;
        let expired = std::rc::Rc::new(std::cell::Cell::new(false));
        insert_sources(&event_loop, &config, hooks.stop, expired.clone())?;
        let state = set_up(config, &line, &globals, &queue, report, hooks.observer, event_loop.handle())?;
        WaylandSource::new(line.connection.clone(), queue)
            .insert(event_loop.handle())
            .map_err(|error| ClientError::EventLoop { source: error.error })?;
        Ok(Run { line, event_loop, state, deadline, expired })
    }

    fn go(&mut self) -> Result<(), ClientError> {
        loop {
            self.event_loop.dispatch(None, &mut self.state).map_err(|error| {
                self.line.post_mortem(match error {
                    calloop::Error::IoError(error) => error,
                    other => io::Error::other(other),
                })
            })?;
            // The event source reports a broken connection, but says nothing of a protocol error.
            if self.line.connection.protocol_error().is_some() {
                return Err(self.line.post_mortem(io::ErrorKind::ConnectionAborted.into()));
            }
            self.state.step()?;
            if self.state.is_done() {
                return Ok(());
            }
            if let Some(deadline) = self.deadline.filter(|_| self.expired.get()) {
                return Err(ClientError::Deadline(deadline));
            }
        }
    }
}

/// Everything the loop waits for besides the compositor.
fn insert_sources(
    event_loop: &EventLoop<'static, State>,
    config: &Config,
    stop: Option<StopSource>,
    expired: std::rc::Rc<std::cell::Cell<bool>>,
) -> Result<(), ClientError> {
    let handle = event_loop.handle();
    let failed = |source| ClientError::EventLoop { source };
    if let Some(StopSource(source)) = stop {
        let stop = |(), _: &mut (), state: &mut State| state.stop(Ended::Stopped);
        handle.insert_source(source, stop).map_err(|error| failed(error.error))?;
    }
    if config.signals {
        let signals = Signals::new(&[Signal::SIGINT, Signal::SIGTERM]);
        let signals = signals.map_err(failed)?;
        let stop = |_, _: &mut (), state: &mut State| state.stop(Ended::Stopped);
        handle.insert_source(signals, stop).map_err(|error| failed(error.error))?;
    }
    if let Some(deadline) = config.deadline {
        let expire = move |_, _: &mut (), _: &mut State| {
            expired.set(true);
            TimeoutAction::Drop
        };
        handle.insert_source(Timer::from_duration(deadline), expire).map_err(|error| failed(error.error))?;
    }
    Ok(())
}

/// Binds what is needed, makes the surfaces, and asks for a window.
fn set_up(
    config: Config,
    line: &Line,
    globals: &GlobalList,
    queue: &EventQueue<State>,
    report: Report,
    observer: Option<Observer>,
    events: LoopHandle<'static, State>,
) -> Result<State, ClientError> {
    let qh = &queue.handle();
    let missing = |interface| move |_| ClientError::Missing { interface, version: 1 };
    let compositor: WlCompositor = need(globals, qh, 6)?;
    let shm = Shm::bind(globals, qh).map_err(missing("wl_shm"))?;
    let shell = XdgShell::bind(globals, qh).map_err(missing("xdg_wm_base"))?;
    let presentation = if config.feedback { globals.bind(qh, 1..=1, ClockTag).ok() } else { None };
    let ledger = globals.bind(qh, 1..=1, Quiet).ok();

    let surface = compositor.create_surface(qh, Quiet);
    let cropped = config.scene.viewport_source.is_some() || config.scene.viewport_destination.is_some();
    let viewport = match cropped {
        true => Some(need::<WpViewporter>(globals, qh, 1)?.get_viewport(&surface, qh, Quiet)),
        false => None,
    };
    let mut layers = vec![Layer::new(surface.clone(), viewport, config.picture(config.size))];
    if !config.scene.subsurfaces.is_empty() {
        let subcompositor: WlSubcompositor = need(globals, qh, 1)?;
        for sub in &config.scene.subsurfaces {
            let child = compositor.create_surface(qh, Quiet);
            let role = subcompositor.get_subsurface(&child, &surface, qh, Quiet);
            role.set_position(sub.position.0, sub.position.1);
            if sub.below {
                role.place_below(&surface);
            }
            if !sub.sync {
                role.set_desync();
            }
            layers.push(Layer::new(child, None, sub.picture()));
        }
    }

    // Only whoever asks for dma-bufs asks about them.
    let dmabuf = match config.buffer {
        BufferKind::Shm => None,
        _ => globals.bind(qh, 1..=5, FormatEvents).ok(),
    };
    let dmabuf = dmabuf.map(|global| Dmabuf::ask(global, &surface, &line.connection, qh));
    let window = shell.create_window(surface, WindowDecorations::RequestServer, qh);
    window.set_title(&config.title);
    window.set_app_id("selkie-client");
    if !config.resizable {
        let size = config.scene.viewport_destination.unwrap_or(config.size);
        window.set_min_size(Some((size.width, size.height)));
        window.set_max_size(Some((size.width, size.height)));
    }
    window.commit();
    let (connection, registry) = (line.connection.clone(), RegistryState::new(globals));
    let qh = qh.clone();
    Ok(State::new(Parts {
        config,
        registry,
        shm,
        connection,
        qh,
        window,
        layers,
        presentation,
        ledger,
        dmabuf,
        report,
        observer,
        events,
    }))
}

/// Binds a global, in the version the compositor offers but at most `version`.
fn need<I>(globals: &GlobalList, qh: &QueueHandle<State>, version: u32) -> Result<I, ClientError>
where
    I: Proxy + 'static,
    State: Dispatch<I, Quiet>,
{
    let interface = I::interface().name;
    globals.bind(qh, 1..=version, Quiet).map_err(|_| ClientError::Missing { interface, version: 1 })
}
