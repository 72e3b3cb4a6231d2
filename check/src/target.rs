//! The compositor under examination: one that runs already, or one started for the purpose, in a runtime directory of its
//! own, which is started again when a case has ended or frozen it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::case::Stop;
use crate::client::Client;
use crate::footprint::Footprint;
use crate::presets::{self, Recipe};
use crate::session::Session;

/// How often something is looked for that does not say when it is there.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often its fds are counted until they stay the same.
const SETTLE_EVERY: Duration = Duration::from_millis(30);
/// How long they are waited for, in seconds.
const SETTLE_SECONDS: u64 = 1;
/// How long a compositor may take to start, in seconds.
const START_SECONDS: u64 = 30;

/// What can go wrong before the first case.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no preset whose program is installed.
    #[error(transparent)]
    Recipe(#[from] presets::RecipeError),
    /// There is no place for its socket.
    #[error("cannot make a runtime directory for {name}")]
    Directory {
        /// The compositor.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It could not be started.
    #[error("cannot start {name} with `{command}`")]
    Start {
        /// The compositor.
        name: String,
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It did not offer a socket that answers.
    #[error("{name} is not ready: {why}; it said:\n{log}")]
    NotReady {
        /// The compositor.
        name: String,
        /// What is amiss.
        why: String,
        /// The end of its log.
        log: String,
    },
}

/// A compositor to be examined.
#[derive(Debug)]
pub struct Target {
    name: String,
    version: Option<String>,
    session: Session,
    launched: Option<Launched>,
}

/// One that was started for the purpose.
#[derive(Debug)]
struct Launched {
    recipe: Recipe,
    running: Option<Running>,
}

/// A process group, and the directory with its socket and log. Both are gone when this is dropped.
#[derive(Debug)]
struct Running {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The group, because it may have started helpers. The leader is not reaped before, so the number is still its own.
        let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Target {
    /// One that runs already, with a socket at that path.
    ///
    /// # Errors
    ///
    /// [`TargetError::NotReady`] if it does not answer.
    pub fn running(socket: PathBuf, pid: Option<i32>, times: u32) -> Result<Target, TargetError> {
        let name = socket.display().to_string();
        let mut session = Session { socket, pid, times };
        if let Err(stop) = session.connect() {
            return Err(TargetError::NotReady { name, why: reason(&stop), log: String::new() });
        }
        session.pid = pid.or_else(|| peer(&session.socket));
        Ok(Target { name, version: None, session, launched: None })
    }

    /// Starts one with a command, which is the name of a preset with arguments of one's own, or any command line for sh(1).
    ///
    /// # Errors
    ///
    /// [`TargetError`], which says what to do.
    pub fn launch(command: &str, times: u32) -> Result<Target, TargetError> {
        let recipe = Recipe::of(command)?;
        let session = Session { socket: PathBuf::new(), pid: None, times };
        let (name, version) = (recipe.name.clone(), recipe.version());
        let mut target =
            Target { name, version, session, launched: Some(Launched { recipe, running: None }) };
        target.start()?;
        Ok(target)
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of its version, where it was asked.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Where cases find it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether it is ours to end.
    pub fn is_private(&self) -> bool {
        self.launched.is_some()
    }

    /// How it ended, if it has; `None` while it runs, and where that cannot be known.
    pub fn ended(&mut self) -> Option<String> {
        if let Some(running) = self.launched.as_mut().and_then(|launched| launched.running.as_mut())
            && let Ok(Some(status)) = running.child.try_wait()
        {
            return Some(describe(status));
        }
        let pid = Pid::from_raw(self.session.pid?)?;
        match rustix::process::test_kill_process(pid) {
            Err(rustix::io::Errno::SRCH) => Some("its process is gone".to_owned()),
            _ => None,
        }
    }

    /// Ends it, if it is ours, and starts it again.
    ///
    /// # Errors
    ///
    /// As [`Target::launch`]; nothing happens to one that is not ours.
    pub fn restart(&mut self) -> Result<(), TargetError> {
        if self.launched.is_some() { self.start() } else { Ok(()) }
    }

    fn start(&mut self) -> Result<(), TargetError> {
        let Some(launched) = &mut self.launched else { return Ok(()) };
        launched.running = None;
        let mut running = Running::start(&launched.recipe)?;
        let deadline = Instant::now() + self.session.seconds(START_SECONDS);
        let why = loop {
            if let Ok(Some(status)) = running.child.try_wait() {
                break describe(status);
            }
            if let Some(socket) = running.socket(self.session.seconds(1)) {
                self.session.pid = peer(&socket);
                self.session.socket = socket;
                match warm_up(&self.session, deadline) {
                    Ok(()) => {
                        settle(&self.session);
                        launched.running = Some(running);
                        return Ok(());
                    }
                    Err(stop) => break format!("an ordinary client was not served: {}", reason(&stop)),
                }
            }
            if Instant::now() > deadline {
                break "there is no socket that answers in its XDG_RUNTIME_DIR".to_owned();
            }
            std::thread::sleep(LOOK_EVERY);
        };
        Err(TargetError::NotReady { name: self.name.clone(), why, log: running.log() })
    }

    /// The end of its log, if it is ours.
    pub fn log(&self) -> Option<String> {
        Some(self.launched.as_ref()?.running.as_ref()?.log())
    }
}

/// Shows an ordinary window, and asks about dma-bufs: what a compositor loads with the first client it keeps, and some
/// show nothing until all of their own parts have started.
fn warm_up(session: &Session, deadline: Instant) -> Result<(), Stop> {
    let mut client = session.connect()?;
    client.set_patience(deadline.saturating_duration_since(Instant::now()));
    client.shown_window()?;
    crate::dmabufs::warm_up(&mut client)
}

/// Waits until the first client's socket and memory are let go: what is counted before a case must not be what will be
/// gone after it. Some keep them for a moment, or for good; it is not for here to judge.
fn settle(session: &Session) {
    let Some(pid) = session.pid else { return };
    let deadline = Instant::now() + session.seconds(SETTLE_SECONDS);
    let mut last = None;
    while Instant::now() < deadline {
        let now = Footprint::of(pid).ok();
        if now == last && now.as_ref().is_none_or(|now| !now.has_ours()) {
            return;
        }
        last = now;
        std::thread::sleep(SETTLE_EVERY);
    }
}

fn reason(stop: &Stop) -> String {
    match stop {
        Stop::Fail { expected, got } => format!("no {expected}: {got}"),
        Stop::Skip(missing) => missing.clone(),
        Stop::Hang(what) => format!("it did not do in time: {what}"),
        Stop::Ended(ended) => ended.to_string(),
    }
}

/// Who listens at a socket (`SO_PEERCRED`, unix(7)).
fn peer(socket: &Path) -> Option<i32> {
    let stream = UnixStream::connect(socket).ok()?;
    Some(rustix::net::sockopt::socket_peercred(&stream).ok()?.pid.as_raw_nonzero().get())
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("ended by {}", signal_name(signal)),
        // A shell, or whatever else stands before the compositor, passes on a signal as 128 and its number.
        (None, Some(code @ 129..=159)) => format!("ended by {} (status {code})", signal_name(code - 128)),
        (None, Some(code)) => format!("ended with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

impl Running {
    fn start(recipe: &Recipe) -> Result<Running, TargetError> {
        let directory = |source| TargetError::Directory { name: recipe.name.clone(), source };
        // Short: a socket's address holds 108 bytes (unix(7)).
        let dir = tempfile::Builder::new().prefix("selkie-check-").tempdir_in("/tmp").map_err(directory)?;
        let run = dir.path().join("run");
        fs::DirBuilder::new().mode(0o700).create(&run).map_err(directory)?;
        let log = File::create(dir.path().join("log")).map_err(directory)?;
        let mut command = recipe.command(dir.path()).map_err(directory)?;
        for name in
            ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "WAYLAND_DEBUG", "DISPLAY", "DBUS_SESSION_BUS_ADDRESS"]
        {
            command.env_remove(name);
        }
        command
            .env("XDG_RUNTIME_DIR", &run)
            .env("XDG_CONFIG_HOME", dir.path())
            .env("XDG_CACHE_HOME", dir.path());
        command.current_dir(dir.path()).process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(directory)?).stderr(log);
        shm_core::process::die_with_parent(&mut command);
        let line = format!("{command:?}");
        let child = command.spawn().map_err(|source| TargetError::Start {
            name: recipe.name.clone(),
            command: line,
            source,
        })?;
        Ok(Running { child, dir })
    }

    /// A socket in its runtime directory where somebody speaks Wayland.
    fn socket(&self, patience: Duration) -> Option<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("run")).ok()?.flatten();
        let sockets = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
        // sway's and others' own protocols are spoken at sockets with an ending.
        let mut paths: Vec<PathBuf> =
            sockets.map(|entry| entry.path()).filter(|path| path.extension().is_none()).collect();
        paths.sort();
        paths.into_iter().find(|path| Client::connect(path, patience).is_ok())
    }

    /// The end of what it said.
    fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_by_the_name_of_the_signal() {
        assert_eq!(describe(ExitStatus::from_raw(7)), "ended by SIGBUS");
        assert_eq!(describe(ExitStatus::from_raw(7 | 0x80)), "ended by SIGBUS");
        assert_eq!(describe(ExitStatus::from_raw(135 << 8)), "ended by SIGBUS (status 135)");
        assert_eq!(describe(ExitStatus::from_raw(1 << 8)), "ended with status 1");
        assert_eq!(describe(ExitStatus::from_raw(31)), "ended by signal 31");
    }
}
