//! A Unix socket for one message: fds from one process to another, and back one byte that says whether all was well.
//!
//! The name of a socket is a file, and stays when the process is killed that made it. Nothing answers there then
//! (`ECONNREFUSED`), and the next one that wants the name removes it.
//!
//! See `unix(7)`.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recv, send, socket_with,
};
use shm_core::fdpass::{self, FdError, MAX_FDS};
use shm_core::process::program_name;

use super::wait::{WaitError, Waiter, Woken};
use crate::trace::{self, SayError, Trace, fd, flags, zero};

/// What comes back from who has looked at the memory.
const GOOD: u8 = b'+';
const BAD: u8 = b'-';

/// A socket that somebody may connect to; its name goes when it goes.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    path: PathBuf,
}

impl Listener {
    pub(crate) fn bind(path: &Path, trace: &mut Trace) -> Result<Listener, SocketError> {
        let address = Address::new(path)?;
        let fail = |source: Errno| SocketError::Bind { path: path.to_owned(), source: source.into() };
        let socket = stream(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, trace).map_err(fail)?;
        let number = socket.as_raw_fd();
        let try_it = |trace: &mut Trace| {
            trace.call(format_args!("bind({number}, {address})"), zero, || bind(&socket, &address.address))
        };
        match try_it(trace) {
            Err(Errno::ADDRINUSE) => {
                remove_stale(path, &address, trace)?;
                try_it(trace).map_err(fail)?;
            }
            other => other.map_err(fail)?,
        }
        let listener = Listener { socket, path: path.to_owned() };
        trace
            .call(format_args!("listen({number}, 1)"), zero, || listen(&listener.socket, 1))
            .map_err(fail)?;
        Ok(listener)
    }

    /// Waits for somebody, and gives the fds to it; then waits for what it says of them. Says what happens; `true` if the other side
    /// was there, and all was well.
    pub(crate) fn serve(
        &self,
        fds: &[BorrowedFd<'_>],
        waiter: &mut Waiter,
        trace: &mut Trace,
    ) -> Result<Served, SocketError> {
        let connection = loop {
            match waiter.readable(self.socket.as_fd())? {
                Woken::Ready => {}
                other => return Ok(Served::Nobody(other)),
            }
            let number = self.socket.as_raw_fd();
            let accepted =
                trace.call(format_args!("accept4({number}, NULL, NULL, SOCK_CLOEXEC)"), fd, || {
                    accept_with(&self.socket, SocketFlags::CLOEXEC)
                });
            match accepted {
                Ok(connection) => break connection,
                Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(SocketError::Accept { source: error.into() }),
            }
        };
        let peer = Peer::of(&connection);
        let number = connection.as_raw_fd();
        let list: Vec<String> = fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        // One byte at least has to go with them: how many they are, as is fit for a byte.
        let count = [u8::try_from(fds.len()).unwrap_or(u8::MAX)];
        trace.call(
            format_args!(
                "sendmsg({number}, {{iov=[{count:?}], SCM_RIGHTS=[{}]}}, {})",
                list.join(", "),
                flags("MSG_", SendFlags::NOSIGNAL)
            ),
            trace::number,
            || fdpass::send(&connection, &count, fds),
        )?;
        trace.say(format_args!("passed {} to {peer}", amount(fds.len(), "fd")))?;
        match waiter.readable(connection.as_fd())? {
            Woken::Ready => {}
            other => return Ok(Served::Nobody(other)),
        }
        let mut answer = [0];
        let got =
            trace.call(format_args!("recvfrom({number}, buf, 1, 0, NULL, NULL)"), trace::number, || {
                recv(&connection, &mut answer, RecvFlags::empty()).map(|(count, _)| count)
            });
        match (got, answer[0]) {
            (Ok(1), GOOD) => Ok(Served::Good),
            (Ok(1), _) => Ok(Served::Bad),
            _ => Err(SocketError::NoAnswer { peer: peer.to_string() }),
        }
    }

    /// Closes it and removes its name.
    pub(crate) fn close(self, trace: &mut Trace) {
        let path = self.path.clone();
        trace.quiet(format_args!("unlinkat(AT_FDCWD, {path:?}, 0)"), || drop(self));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = rustix::fs::unlink(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the socket");
        }
    }
}

/// What came of a [`Listener::serve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The other side found every byte as it should be.
    Good,
    /// The other side found other bytes.
    Bad,
    /// There was none, or it took too long.
    Nobody(Woken),
}

impl Served {
    /// Says it; `false` if that is not what was to happen: other bytes, or nobody in time.
    pub(crate) fn tell(self, trace: &mut Trace) -> Result<bool, SayError> {
        match self {
            Served::Good => trace.say(format_args!("it found every byte as it should be"))?,
            Served::Bad => trace.say(format_args!("it found other bytes"))?,
            Served::Nobody(woken) => woken.tell(trace)?,
        }
        Ok(!matches!(self, Served::Bad | Served::Nobody(Woken::Time)))
    }
}

/// The other side's end.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    /// Who it is connected to.
    pub(crate) peer: Peer,
}

impl Connection {
    pub(crate) fn connect(path: &Path, trace: &mut Trace) -> Result<Connection, SocketError> {
        let address = Address::new(path)?;
        let fail = |source: Errno| match source {
            Errno::NOENT => SocketError::NoSocket { path: path.to_owned() },
            Errno::CONNREFUSED => SocketError::Closed { path: path.to_owned() },
            _ => SocketError::Connect { path: path.to_owned(), source: source.into() },
        };
        let socket = stream(SocketFlags::CLOEXEC, trace).map_err(fail)?;
        let number = socket.as_raw_fd();
        trace
            .call(format_args!("connect({number}, {address})"), zero, || connect(&socket, &address.address))
            .map_err(fail)?;
        let peer = Peer::of(&socket);
        Ok(Connection { socket, peer })
    }

    /// Receives the fds.
    pub(crate) fn receive(&self, trace: &mut Trace) -> Result<Vec<OwnedFd>, SocketError> {
        let mut count = [0];
        let number = self.socket.as_raw_fd();
        let mut fds = Vec::new();
        trace.call(
            format_args!("recvmsg({number}, {{iov_len=1, SCM_RIGHTS}}, MSG_CMSG_CLOEXEC)"),
            |(bytes, list): &(usize, String)| format!("{bytes}, SCM_RIGHTS=[{list}]"),
            || {
                let received = fdpass::recv(&self.socket, &mut count, MAX_FDS)?;
                let list: Vec<String> = received.fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
                fds = received.fds;
                Ok::<_, FdError>((received.bytes, list.join(", ")))
            },
        )?;
        if fds.len() == usize::from(count[0]) {
            Ok(fds)
        } else {
            Err(SocketError::Count { announced: count[0].into(), came: fds.len() })
        }
    }

    /// Says whether all was well.
    pub(crate) fn answer(&self, good: bool, trace: &mut Trace) -> Result<(), SocketError> {
        let answer = if good { GOOD } else { BAD };
        let call = format!(
            "sendto({}, \"{}\", 1, {}, NULL, 0)",
            self.socket.as_raw_fd(),
            char::from(answer),
            flags("MSG_", SendFlags::NOSIGNAL)
        );
        trace
            .call(format_args!("{call}"), trace::number, || {
                send(&self.socket, &[answer], SendFlags::NOSIGNAL)
            })
            .map(drop)
            .map_err(|_| SocketError::NotTold { peer: self.peer.to_string() })
    }
}

/// The process at the other end.
#[derive(Debug)]
pub(crate) struct Peer(String);

impl Peer {
    fn of(socket: &OwnedFd) -> Peer {
        let Ok(credentials) = socket_peercred(socket) else { return Peer("a process".into()) };
        let pid = credentials.pid.as_raw_nonzero().get();
        Peer(process(pid))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process as a person knows it: `process 1234 (selkie)`.
pub(crate) fn process(pid: i32) -> String {
    match program_name(pid) {
        Some(name) => format!("process {pid} ({name})"),
        None => format!("process {pid}"),
    }
}

/// `1 fd`, `3 fds`.
pub(crate) fn amount(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A path as the address of a socket.
struct Address<'a> {
    path: &'a Path,
    address: SocketAddrUnix,
}

impl Address<'_> {
    fn new(path: &Path) -> Result<Address<'_>, SocketError> {
        let address = SocketAddrUnix::new(path)
            .map_err(|_| SocketError::Path { path: path.to_owned(), len: path.as_os_str().len() })?;
        Ok(Address { path, address })
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The family, the path, and the NUL at its end.
        let len = 2 + self.path.as_os_str().len() + 1;
        write!(f, "{{sa_family=AF_UNIX, sun_path={:?}}}, {len}", self.path)
    }
}

fn stream(kind: SocketFlags, trace: &mut Trace) -> Result<OwnedFd, Errno> {
    trace.call(format_args!("socket(AF_UNIX, SOCK_STREAM|{}, 0)", flags("SOCK_", kind)), fd, || {
        socket_with(AddressFamily::UNIX, SocketType::STREAM, kind, None)
    })
}

/// Removes the name of a socket that nobody listens at any more.
fn remove_stale(path: &Path, address: &Address<'_>, trace: &mut Trace) -> Result<(), SocketError> {
    if !fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        return Err(SocketError::Taken { path: path.to_owned() });
    }
    let fail = |source: Errno| SocketError::Bind { path: path.to_owned(), source: source.into() };
    let probe = stream(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, trace).map_err(fail)?;
    let call = format!("connect({}, {address})", probe.as_raw_fd());
    match trace.call(format_args!("{call}"), zero, || connect(&probe, &address.address)) {
        Err(Errno::CONNREFUSED) => {}
        _ => return Err(SocketError::InUse { path: path.to_owned() }),
    }
    trace
        .call(format_args!("unlinkat(AT_FDCWD, {path:?}, 0)"), zero, || rustix::fs::unlink(path))
        .map_err(fail)
}

/// Why fds could not be passed from one to the other.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is no name for a socket.
    #[error("{} has {len} bytes, and the name of a socket may have 107: choose a shorter one", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// Something else has that name.
    #[error("{} is there already, and is no socket: choose another name", .path.display())]
    Taken {
        /// The path.
        path: PathBuf,
    },
    /// Somebody listens there.
    #[error("somebody listens at {} already: choose another name", .path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// There can be no socket.
    #[error("cannot listen at {}", .path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no socket.
    #[error("there is no socket {}: start the other side first", .path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// Nobody listens there.
    #[error("nobody listens at {} any more: start the other side again", .path.display())]
    Closed {
        /// The path.
        path: PathBuf,
    },
    /// No connection came about.
    #[error("cannot connect to {}", .path.display())]
    Connect {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nobody could be let in.
    #[error("cannot accept a connection")]
    Accept {
        /// What the kernel said.
        source: io::Error,
    },
    /// The message did not get through.
    #[error(transparent)]
    Fd(#[from] FdError),
    /// What came is not what was announced.
    #[error("{announced} fds were announced, and {came} came: is the other side a selkie?")]
    Count {
        /// How many should have come.
        announced: usize,
        /// How many came.
        came: usize,
    },
    /// The one who got the fds has gone.
    #[error("{peer} got the fds, and ended before it said what it had found")]
    NoAnswer {
        /// Who.
        peer: String,
    },
    /// The one who sent the fds has gone.
    #[error("{peer} ended before it could be told what was found")]
    NotTold {
        /// Who.
        peer: String,
    },
    /// It cannot be waited.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// Nothing can be said.
    #[error(transparent)]
    Say(#[from] SayError),
}
