//! The compositor behind the proxy: a private selkie that lets everything pass, or the one of the user's session.

use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::wl_registry;
use wayland_client::{Connection, Dispatch, QueueHandle};

/// Which compositor the program is to see.
#[derive(Debug, Clone)]
pub enum Behind {
    /// A private one, under the policy `guard`, so that programs run on that others would refuse.
    Selkie {
        /// The program `selkie`.
        executable: PathBuf,
        /// As a window in the user's session, not in memory.
        visible: bool,
    },
    /// The one that `WAYLAND_DISPLAY` names.
    Session,
}

/// The compositor, as long as this lives.
pub(crate) struct Running {
    socket: PathBuf,
    child: Option<Child>,
    name: String,
}

/// Why there is no compositor.
#[derive(Debug, thiserror::Error)]
pub enum BehindError {
    /// There is no session.
    #[error("WAYLAND_DISPLAY names no compositor: start this in a Wayland session")]
    NoSession,
    /// It cannot be reached.
    #[error("cannot connect to the compositor at {socket:?}")]
    Connect {
        /// Its socket.
        socket: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The private one could not be started.
    #[error("cannot start the private compositor {executable:?}")]
    Start {
        /// The program.
        executable: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The private one has ended.
    #[error("the private compositor ended before it was ready: {said}")]
    Ended {
        /// Its status.
        said: String,
    },
    /// It does not answer as a compositor does.
    #[error("the compositor does not list its globals")]
    Globals(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Running {
    /// Starts it, with its socket in `dir`, or finds the session's.
    pub fn start(behind: &Behind, dir: &Path) -> Result<Self, BehindError> {
        match behind {
            Behind::Session => {
                let socket = session()?;
                let name = socket.file_name().unwrap_or(socket.as_os_str()).to_string_lossy().into_owned();
                Ok(Self { socket, child: None, name })
            }
            Behind::Selkie { executable, visible } => {
                let backend = if *visible { "wayland" } else { "headless" };
                let mut command = Command::new(executable);
                command
                    .args([
                        "compositor",
                        "--policy",
                        "guard",
                        "--dmabuf",
                        "auto",
                        "--screencopy",
                        "--die-with-parent",
                    ])
                    .args(["--socket", SOCKET, "--backend", backend])
                    .env("XDG_RUNTIME_DIR", dir)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped());
                if *visible {
                    command.env("WAYLAND_DISPLAY", session()?);
                }
                let mut started = Self {
                    socket: dir.join(SOCKET),
                    child: None,
                    name: format!("selkie, {backend}, policy guard"),
                };
                // A Ctrl-C is for us, and it goes when we go.
                std::os::unix::process::CommandExt::process_group(&mut command, 0);
                let child = command
                    .spawn()
                    .map_err(|source| BehindError::Start { executable: executable.clone(), source })?;
                let child = started.child.insert(child);
                wait_until_ready(child)?;
                Ok(started)
            }
        }
    }

    /// What it is, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection to it.
    pub fn connect(&self) -> Result<UnixStream, BehindError> {
        let connected = UnixStream::connect(&self.socket);
        connected.map_err(|source| BehindError::Connect { socket: self.socket.clone(), source })
    }

    /// The interfaces of its globals.
    pub fn globals(&self) -> Result<Vec<String>, BehindError> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| BehindError::Globals(e);
        let connection = Connection::from_socket(self.connect()?).map_err(|e| failed(e.into()))?;
        let (globals, _queue) = registry_queue_init::<Listing>(&connection).map_err(|e| failed(e.into()))?;
        Ok(globals.contents().with_list(|list| list.iter().map(|g| g.interface.clone()).collect()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Not reaped yet, so the number is its own.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// The name of the private compositor's socket.
const SOCKET: &str = "compositor";

fn wait_until_ready(child: &mut Child) -> Result<(), BehindError> {
    let mut line = String::new();
    let stdout = child.stdout.take();
    let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
    if matches!(read, Some(Ok(n)) if n > 0) && line.starts_with("WAYLAND_DISPLAY=") {
        return Ok(());
    }
    let said = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
    Err(BehindError::Ended { said })
}

/// The socket that `WAYLAND_DISPLAY` names.
fn session() -> Result<PathBuf, BehindError> {
    let name = std::env::var_os("WAYLAND_DISPLAY").filter(|name| !name.is_empty());
    let name = PathBuf::from(name.ok_or(BehindError::NoSession)?);
    if name.is_absolute() {
        return Ok(name);
    }
    let dir = std::env::var_os("XDG_RUNTIME_DIR").ok_or(BehindError::NoSession)?;
    Ok(PathBuf::from(dir).join(name))
}

/// Whoever asks for the list of globals.
struct Listing;

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for Listing {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}
