//! The ways for a message to get from one process to another, behind one small trait.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shm_core::fdpass::FdError;
use shm_core::mechanism;

use super::control::Watch;
use super::message::{Garbled, Look, Size};
use super::{fd, memory, pipe, ring, socket};

/// A way for a message to get from one process to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A pipe each way.
    Pipe,
    /// A pair of Unix stream sockets.
    Unix,
    /// A POSIX shared memory object.
    Posix,
    /// A System V segment.
    Sysv,
    /// Memory of a memfd.
    Memfd,
    /// Memory of a file on a disk.
    File,
    /// Rings of shm-core's, every message copied.
    Ring,
    /// Rings of shm-core's, frames handed over.
    RingHandover,
    /// The fd of a memfd with every message.
    Fd,
}

impl Transport {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Transport; 9] = [
        Transport::Pipe,
        Transport::Unix,
        Transport::Posix,
        Transport::Sysv,
        Transport::Memfd,
        Transport::File,
        Transport::Ring,
        Transport::RingHandover,
        Transport::Fd,
    ];

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Pipe => "pipe",
            Transport::Unix => "unix",
            Transport::Posix => "posix",
            Transport::Sysv => "sysv",
            Transport::Memfd => "memfd",
            Transport::File => "file",
            Transport::Ring => "ring",
            Transport::RingHandover => "ring-handover",
            Transport::Fd => "fd",
        }
    }

    /// What is done for one message, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Transport::Pipe => "a pipe each way, as big as the system makes it: write, read",
            Transport::Unix => "a pair of Unix stream sockets: write, read",
            Transport::Posix => {
                "POSIX shared memory (shm_open) that both have mapped; they sleep on a futex in it at once"
            }
            Transport::Sysv => {
                "a System V segment that both have attached; they sleep on a futex in it at once"
            }
            Transport::Memfd => "a memfd that both have mapped; they sleep on a futex in it at once",
            Transport::File => "a file on a disk that both have mapped; they sleep on a futex in it at once",
            Transport::Ring => {
                "shm-core's ring in a memfd, which spins for some microseconds before it sleeps on a futex"
            }
            Transport::RingHandover => "the same ring; the frame is written and read where it is",
            Transport::Fd => {
                "a memfd made beforehand: its fd is passed (SCM_RIGHTS), examined, mapped, unmapped, closed, and given back"
            }
        }
    }

    /// Whether every byte of a message is written by the sender and copied out by the receiver. Otherwise the frame is
    /// handed over: its ends are written and read in place.
    pub fn copies(self) -> bool {
        !matches!(self, Transport::RingHandover | Transport::Fd)
    }

    /// Makes one, and takes one end of it.
    pub(super) fn offer(self, size: Size, dir: &Path, watch: Watch) -> Result<Offer, TransportError> {
        match self {
            Transport::Pipe => pipe::offer(size),
            Transport::Unix => socket::offer(size),
            Transport::Posix => memory::named(&mechanism::Posix::default(), size, watch),
            Transport::Sysv => memory::named(&mechanism::Sysv::default(), size, watch),
            Transport::Memfd => memory::memfd(size, watch),
            Transport::File => memory::file(size, dir, watch),
            Transport::Ring => ring::offer(size, true),
            Transport::RingHandover => ring::offer(size, false),
            Transport::Fd => fd::offer(size),
        }
    }

    /// Takes the other end.
    pub(super) fn join(self, joining: Joining) -> Result<Box<dyn Endpoint>, TransportError> {
        match self {
            Transport::Pipe => pipe::join(joining),
            Transport::Unix => socket::join(joining),
            Transport::Posix => memory::join_named(&mechanism::Posix::default(), joining),
            Transport::Sysv => memory::join_named(&mechanism::Sysv::default(), joining),
            Transport::Memfd | Transport::File => memory::join_fd(joining),
            Transport::Ring => ring::join(joining, true),
            Transport::RingHandover => ring::join(joining, false),
            Transport::Fd => fd::join(joining),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Transport, UnknownTransport> {
        let found = Transport::ALL.into_iter().find(|transport| transport.name() == text);
        found.ok_or_else(|| UnknownTransport { text: text.to_owned() })
    }
}

/// There is no such transport.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no transport {text:?}: they are {}", Transport::ALL.map(Transport::name).join(", "))]
pub struct UnknownTransport {
    text: String,
}

/// One process's end of a transport: messages of one size go both ways.
pub(super) trait Endpoint {
    /// Sends message `number`, waiting as long as there is no room for it.
    fn send(&mut self, number: u64) -> Result<(), TransportError>;

    /// Waits for the next message, takes it, and gives its number.
    fn receive(&mut self, look: Look) -> Result<u64, TransportError>;

    /// The other process has taken its end: nobody else needs to find this one any more.
    fn joined(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}

/// A transport with one end taken.
pub(super) struct Offer {
    /// The end that is taken.
    pub(super) endpoint: Box<dyn Endpoint>,
    /// Where the other is, if fds do not say it all.
    pub(super) place: String,
    /// What the other process needs.
    pub(super) fds: Vec<OwnedFd>,
}

/// What it takes to take the other end.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) size: Size,
    /// See [`Offer::place`].
    pub(super) place: String,
    /// See [`Offer::fds`].
    pub(super) fds: Vec<OwnedFd>,
    /// Tells whether the process that made the transport is there.
    pub(super) watch: Watch,
}

/// Exactly so many fds.
pub(super) fn fds_of<const N: usize>(fds: Vec<OwnedFd>) -> Result<[OwnedFd; N], TransportError> {
    let count = fds.len();
    fds.try_into().map_err(|_| TransportError::Fds { count, expected: N })
}

/// The number of a message that stays where it is: both its ends are read there.
pub(super) fn ends<E: std::error::Error + Send + Sync + 'static>(
    size: Size,
    read: impl Fn(usize, &mut [u8]) -> Result<(), E>,
) -> Result<u64, TransportError> {
    let word = |offset| {
        let mut word = [0; 8];
        read(offset, &mut word).map_err(TransportError::memory)?;
        Ok::<u64, TransportError>(u64::from_ne_bytes(word))
    };
    let (first, last) = (word(0)?, word(size.bytes() - 8)?);
    if first == last { Ok(first) } else { Err(Garbled::Ends { first, last }.into()) }
}

/// Why a message did not get across.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// It could not be made.
    #[error("cannot make {what}")]
    Make {
        /// What it needs.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no file to be mapped.
    #[error("cannot make a file of {bytes} bytes in {dir:?}: --dir names another directory")]
    File {
        /// Where.
        dir: PathBuf,
        /// How long it should be.
        bytes: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The other process has not sent what is needed to take an end.
    #[error("{expected} fds are needed, and {count} came")]
    Fds {
        /// How many came.
        count: usize,
        /// How many are needed.
        expected: usize,
    },
    /// A message came without its fd.
    #[error("a message came without its fd")]
    NoFd,
    /// The other process has ended.
    #[error("the other process has ended")]
    PeerGone,
    /// A message could not be sent.
    #[error("cannot send a message")]
    Send {
        /// What the kernel said.
        source: io::Error,
    },
    /// No message could be received.
    #[error("cannot receive a message")]
    Receive {
        /// What the kernel said.
        source: io::Error,
    },
    /// An fd could not be passed.
    #[error("cannot pass an fd")]
    Pass {
        /// Why.
        source: FdError,
    },
    /// Shared memory could not be made or used.
    #[error("cannot use shared memory")]
    Memory {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message came, and not the one that was sent.
    #[error(transparent)]
    Garbled(#[from] Garbled),
}

impl TransportError {
    pub(super) fn send(source: io::Error) -> TransportError {
        if is_end(&source) { TransportError::PeerGone } else { TransportError::Send { source } }
    }

    pub(super) fn receive(source: io::Error) -> TransportError {
        if is_end(&source) { TransportError::PeerGone } else { TransportError::Receive { source } }
    }

    pub(super) fn pass(error: FdError) -> TransportError {
        match error {
            FdError::PeerGone => TransportError::PeerGone,
            source => TransportError::Pass { source },
        }
    }

    pub(super) fn memory(source: impl std::error::Error + Send + Sync + 'static) -> TransportError {
        TransportError::Memory { source: Box::new(source) }
    }
}

/// Whether it says that nobody is at the other end.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_is_called_by_its_name() {
        for transport in Transport::ALL {
            assert_eq!(transport.name().parse(), Ok(transport));
            assert_eq!(serde_json::to_value(transport).unwrap(), transport.name());
        }
        let error = "tcp".parse::<Transport>().unwrap_err();
        assert!(
            error.to_string().starts_with("there is no transport \"tcp\": they are pipe, unix, "),
            "{error}"
        );
    }
}
