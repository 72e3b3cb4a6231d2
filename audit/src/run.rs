//! An audit from beginning to end: a compositor, a socket before it, the program; then whatever passes, until it ends.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::signals::{Signal as Caught, Signals};
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, LoopHandle, LoopSignal, Mode, PostAction};
use rustix::process::Signal;
use selkie_compositor::buffer::Policy;
use shm_core::process::{program_name, raise_fd_limit};

use crate::behind::{Behind, BehindError, Running};
use crate::program::{Program, SpawnError, describe};
use crate::proxy::{Proxy, Record};
use crate::record::Connection;
use crate::report::{Head, Report};

/// How long a program has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether children have ended that are not ours.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long what a program has started and left behind may take to connect.
const LINGER: Duration = Duration::from_secs(10);

/// What to audit, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// The compositor that it sees.
    pub behind: Behind,
    /// For how long it is watched; as long as it runs, if not given.
    pub time: Option<Duration>,
    /// End it after that many commits with a buffer.
    pub frames: Option<u64>,
    /// The policy that decides whether it would be refused.
    pub policy: Policy,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no place for the socket.
    #[error("cannot make a directory for the sockets")]
    Directory(#[source] io::Error),
    /// There is no socket.
    #[error("cannot make the socket {socket:?}")]
    Listen {
        /// Where it was to be.
        socket: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no compositor.
    #[error(transparent)]
    Behind(#[from] BehindError),
    /// There is no program.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Waiting for things to happen failed.
    #[error("cannot wait for what happens")]
    Loop(#[source] calloop::Error),
    /// No connection was made.
    #[error("{program:?} never connected to the compositor ({ended}): is it a Wayland program?")]
    NeverConnected {
        /// The program.
        program: OsString,
        /// How it ended.
        ended: String,
    },
    /// There was nothing to audit.
    #[error("{program:?} connected, and shared no memory ({ended}): there is nothing to report")]
    NothingShared {
        /// The program.
        program: OsString,
        /// How it ended.
        ended: String,
    },
}

/// Runs the program, and reports what it shared.
///
/// SIGINT and SIGTERM are blocked in the thread that calls this, and end the audit: what was seen until then is reported.
///
/// # Errors
///
/// [`AuditError`].
pub fn run(config: &Config) -> Result<Report, AuditError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let parent = runtime.clone().unwrap_or_else(std::env::temp_dir);
    // Mode 0700.
    let dir =
        tempfile::Builder::new().prefix("selkie-audit-").tempdir_in(parent).map_err(AuditError::Directory)?;
    let mut event_loop = EventLoop::<Session>::try_new().map_err(AuditError::Loop)?;
    let handle = event_loop.handle();
    let compositor = Running::start(&config.behind, dir.path())?;
    let offered = compositor.globals()?;
    let socket = dir.path().join("wayland");
    let listener = UnixListener::bind(&socket)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| AuditError::Listen { socket: socket.clone(), source })?;
    // A name that also those understand who put it behind XDG_RUNTIME_DIR themselves.
    let display = match (&runtime, dir.path().file_name()) {
        (Some(_), Some(name)) => PathBuf::from(name).join("wayland"),
        _ => PathBuf::from("wayland"),
    };
    let runtime = runtime.unwrap_or_else(|| dir.path().to_owned());
    let private = matches!(config.behind, Behind::Selkie { .. });
    let program = Program::spawn(&config.command, &display, &runtime, private)?;
    // Every pool of the program keeps a descriptor here. The program gets the limit that there was.
    if let Err(error) = raise_fd_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    // Children inherit blocked signals, so this comes after them; and before there is another thread, which would get the signals.
    let signals = Signals::new(&[Caught::SIGINT, Caught::SIGTERM]).map_err(AuditError::Loop)?;
    handle
        .insert_source(signals, |_, _, session| session.end("was interrupted, and ended"))
        .map_err(|e| AuditError::Loop(e.error))?;
    let pidfd = program.pidfd().map_err(|e| AuditError::Loop(e.into()))?;
    let started = Instant::now();
    let mut session = Session {
        handle: handle.clone(),
        signal: event_loop.get_signal(),
        compositor,
        program,
        records: Vec::new(),
        live: 0,
        frames: config.frames,
        alone_since: None,
        ending: None,
    };
    handle
        .insert_source(readable(listener), |_, listener, session| {
            while let Ok((stream, _)) = listener.accept() {
                session.connected(stream);
            }
            Ok(PostAction::Continue)
        })
        .map_err(|e| AuditError::Loop(e.error))?;
    handle
        .insert_source(readable(pidfd), |_, _, session| {
            session.program_ended();
            // It stays readable.
            Ok(PostAction::Remove)
        })
        .map_err(|e| AuditError::Loop(e.error))?;
    if let Some(time) = config.time {
        let deadline = format!("still ran after {} s, and was ended", time.as_secs_f64());
        handle
            .insert_source(Timer::from_duration(time), move |_, _, session| {
                session.end(&deadline);
                TimeoutAction::Drop
            })
            .map_err(|e| AuditError::Loop(e.error))?;
    }
    event_loop.run(None, &mut session, |_| {}).map_err(AuditError::Loop)?;
    let seconds = started.elapsed().as_secs_f64();
    session.report(config, &offered, seconds)
}

/// What the loop works on.
struct Session {
    handle: LoopHandle<'static, Session>,
    signal: LoopSignal,
    compositor: Running,
    program: Program,
    records: Vec<Record>,
    /// Connections that are there.
    live: usize,
    /// Ends after that many frames.
    frames: Option<u64>,
    /// Since when there are only children of it, if at all.
    alone_since: Option<Instant>,
    /// Why it is being ended, once it is.
    ending: Option<String>,
}

impl Session {
    /// The program, or a child of it, has connected.
    fn connected(&mut self, stream: UnixStream) {
        let pid = rustix::net::sockopt::socket_peercred(&stream).map_or(0, |c| c.pid.as_raw_nonzero().get());
        let record = Rc::new(RefCell::new(Connection {
            program: program_name(pid).unwrap_or_else(|| "?".to_owned()),
            pid,
            ..Connection::default()
        }));
        self.records.push(record.clone());
        let fail = |error: &dyn std::error::Error| {
            tracing::error!(%error, "cannot pass on a connection");
            record.borrow_mut().error = Some(error.to_string());
        };
        let compositor = match self.compositor.connect() {
            Ok(compositor) => compositor,
            Err(error) => return fail(&error),
        };
        let proxy = match Proxy::new(stream, compositor, &record) {
            Ok(proxy) => proxy,
            Err(error) => return fail(&error),
        };
        let fd = match proxy.poll_fd().as_fd().try_clone_to_owned() {
            Ok(fd) => fd,
            Err(error) => return fail(&error),
        };
        let inserted = self.handle.insert_source(readable(fd), move |_, _, session: &mut Session| {
            let goes_on = proxy.dispatch();
            session.count();
            if goes_on {
                return Ok(PostAction::Continue);
            }
            session.live -= 1;
            session.look();
            Ok(PostAction::Remove)
        });
        match inserted {
            Ok(_) => self.live += 1,
            Err(error) => fail(&error.error),
        }
    }

    /// Ends the program if it has shown enough.
    fn count(&mut self) {
        let Some(wanted) = self.frames else { return };
        if self.records.iter().map(|record| record.borrow().frames).sum::<u64>() >= wanted {
            self.end(&format!("had shown {wanted} frames, and was ended"));
        }
    }

    /// Stops if there is nothing left to watch.
    fn look(&mut self) {
        if self.program.ended().is_none() {
            return;
        }
        let waited = self.alone_since.is_some_and(|since| since.elapsed() > LINGER);
        if self.live == 0 && (waited || self.program.all_ended()) {
            self.signal.stop();
        }
    }

    /// The program has ended. What it started may have yet to connect, and nobody tells when that ends.
    fn program_ended(&mut self) {
        self.alone_since = Some(Instant::now());
        self.look();
        let looking = self.handle.insert_source(Timer::from_duration(LOOK_EVERY), |_, _, session| {
            session.look();
            TimeoutAction::ToDuration(LOOK_EVERY)
        });
        if looking.is_err() {
            self.signal.stop();
        }
    }

    /// Asks the program to end, and makes it if it does not.
    fn end(&mut self, why: &str) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(why.to_owned());
        // If only children of it are left, they are in its group, as a rule.
        self.program.signal(Signal::TERM);
        self.look();
        let killed = self.handle.insert_source(Timer::from_duration(GRACE), |_, _, session| {
            session.program.signal(Signal::KILL);
            session.signal.stop();
            TimeoutAction::Drop
        });
        if killed.is_err() {
            self.program.signal(Signal::KILL);
            self.signal.stop();
        }
    }

    fn report(mut self, config: &Config, offered: &[String], seconds: f64) -> Result<Report, AuditError> {
        let ended = match (&self.ending, self.program.ended()) {
            (Some(why), _) => why.clone(),
            (None, Some(status)) => describe(status),
            (None, None) => "still runs".to_owned(),
        };
        let program = config.command.first().cloned().unwrap_or_default();
        if self.records.is_empty() {
            return Err(AuditError::NeverConnected { program, ended });
        }
        let mut shown = BTreeSet::new();
        let records: Vec<Connection> = self
            .records
            .iter()
            .map(|record| {
                let mut record = record.take();
                record.finish();
                shown.extend(std::mem::take(&mut record.shown));
                record
            })
            .collect();
        if records.iter().all(|r| r.pools.is_empty() && r.dmabufs.is_empty()) {
            return Err(AuditError::NothingShared { program, ended });
        }
        let head = Head {
            command: config.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            ended,
            compositor: self.compositor.name().to_owned(),
            seconds: (seconds * 1000.0).round() / 1000.0,
            policy: config.policy,
            hidden_globals: offered.iter().filter(|name| !shown.contains(*name)).cloned().collect(),
        };
        Ok(Report::new(head, &records))
    }
}

fn readable<F: AsFd>(fd: F) -> Generic<F> {
    Generic::new(fd, Interest::READ, Mode::Level)
}
