//! One way to use any of the four mechanisms, for code that does not care which: rings, tools, measurements, tests.
//!
//! | | found by | who may open it | what its creator leaves behind when it is killed | can it shrink |
//! |---|---|---|---|---|
//! | [`Sysv`] | id, or key | whom its mode lets | the segment | no |
//! | [`Posix`] | name | whom its mode lets | the name, and the memory | yes, nothing prevents it |
//! | [`Memfd`] | fd: passed, or through `/proc/PID/fd` | who gets the fd, or may trace its holder | nothing | no, if it is sealed |
//! | [`DmaBufs`] | fd: passed, or taken with `pidfd_getfd` | who gets the fd, or may trace its holder | nothing | no |
//!
//! ```
//! use shm_core::mechanism::{Created, Mechanism, Sysv};
//! use shm_core::shared::Shared;
//!
//! fn hello(mechanism: &impl Mechanism) -> Result<(), Box<dyn std::error::Error>> {
//!     let Created { memory, ticket, leftover } = mechanism.create(4096)?;
//!     memory.write_at(0, b"hello")?;
//!     // Another process does this, with `ticket.to_string().parse()`:
//!     let theirs = mechanism.open(&ticket, 4096)?;
//!     // Both have it: what could be left behind goes now.
//!     leftover.remove()?;
//!     let mut read = [0; 5];
//!     theirs.read_at(0, &mut read)?;
//!     assert_eq!(&read, b"hello");
//!     Ok(())
//! }
//! hello(&Sysv::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod kinds;
mod ticket;

use std::io;

use crate::dma_heap::DmaHeapError;
use crate::dmabuf::DmaBufError;
use crate::own::OwnError;
use crate::peer::PeerError;
use crate::posix::{OwnedName, PosixError};
use crate::shared::Shared;
use crate::sysv::{OwnedSegment, SysvError};
use crate::udmabuf::UdmabufError;

pub use kinds::{DmaBufs, Memfd, Posix, Sysv};
pub use ticket::{Ticket, TicketError};

/// A way to share memory between processes.
pub trait Mechanism: Send + Sync + 'static {
    /// What people call it.
    const NAME: &'static str;

    /// Whether what it creates stays when its creator is killed, until somebody removes it.
    const PERSISTS: bool;

    /// What it creates and opens.
    type Memory: Shared;

    /// Creates memory of `size` bytes, all zeros, and maps it.
    ///
    /// # Errors
    ///
    /// [`MechanismError`]; nothing is left behind then.
    fn create(&self, size: u64) -> Result<Created<Self::Memory>, MechanismError>;

    /// Opens and maps all of what another process has created, as long as it has `size` bytes or more (0: of any size).
    ///
    /// # Errors
    ///
    /// [`MechanismError`].
    fn open(&self, ticket: &Ticket, size: u64) -> Result<Self::Memory, MechanismError>;
}

/// What [`Mechanism::create`] gives.
#[derive(Debug)]
pub struct Created<M> {
    /// The memory. It stays usable when `leftover` is removed.
    pub memory: M,
    /// By which another process opens it: of a mechanism that finds it by an fd, as long as `memory` lives; of others, until
    /// `leftover` is removed.
    pub ticket: Ticket,
    /// What would be left in the system if this process were killed. Dropping it removes that.
    pub leftover: Leftover,
}

/// What stays in the system when nobody uses it any more.
#[derive(Debug)]
#[must_use = "dropping it removes the name by which others find the memory"]
pub enum Leftover {
    /// Nothing: the memory goes with its last user.
    None,
    /// A System V segment.
    Segment(OwnedSegment),
    /// A name of POSIX shared memory.
    Name(OwnedName),
}

impl Leftover {
    /// Removes it now. Who has the memory keeps it; nobody else finds it any more.
    ///
    /// # Errors
    ///
    /// [`MechanismError::Sysv`], [`MechanismError::Posix`]: somebody else has removed it.
    pub fn remove(self) -> Result<(), MechanismError> {
        match self {
            Leftover::None => Ok(()),
            Leftover::Segment(segment) => Ok(segment.remove()?),
            Leftover::Name(name) => Ok(name.unlink()?),
        }
    }

    /// Leaves it there on purpose.
    pub fn keep(self) {
        match self {
            Leftover::None => {}
            Leftover::Segment(segment) => drop(segment.keep()),
            Leftover::Name(name) => drop(name.keep()),
        }
    }
}

/// Whether `has` bytes are as many as were asked for.
fn at_least(size: u64, has: u64) -> Result<(), MechanismError> {
    if size > has { Err(MechanismError::Smaller { size, has }) } else { Ok(()) }
}

/// Why memory could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum MechanismError {
    /// System V says no.
    #[error(transparent)]
    Sysv(#[from] SysvError),
    /// POSIX shared memory says no.
    #[error(transparent)]
    Posix(#[from] PosixError),
    /// A memfd says no.
    #[error(transparent)]
    Memfd(#[from] OwnError),
    /// A dma-buf says no.
    #[error(transparent)]
    DmaBuf(#[from] DmaBufError),
    /// udmabuf says no.
    #[error(transparent)]
    Udmabuf(#[from] UdmabufError),
    /// A dma-heap says no.
    #[error(transparent)]
    Heap(#[from] DmaHeapError),
    /// The other process's fd cannot be had.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The text of a ticket is wrong.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// A size of 0.
    #[error("shared memory has at least 1 byte, and here there are 0")]
    Empty,
    /// It is smaller than what was asked for.
    #[error("the memory has {has} bytes, and {size} were asked for: do both sides mean the same?")]
    Smaller {
        /// The size asked for, in bytes.
        size: u64,
        /// Its size in bytes.
        has: u64,
    },
    /// The other's fd is no memory.
    #[error("what the other process has there is no memfd: it may have closed that, and opened another file")]
    NotMemory,
    /// The ticket is one of another mechanism.
    #[error("`{ticket}` is not where {mechanism} memory is to be found")]
    WrongTicket {
        /// The ticket.
        ticket: Ticket,
        /// The name of the mechanism.
        mechanism: &'static str,
    },
}

impl From<crate::posix::NameError> for MechanismError {
    fn from(source: crate::posix::NameError) -> MechanismError {
        MechanismError::Ticket(source.into())
    }
}

impl MechanismError {
    fn wrong<M: Mechanism>(ticket: &Ticket) -> MechanismError {
        MechanismError::WrongTicket { ticket: ticket.clone(), mechanism: M::NAME }
    }

    /// What kind of problem it is, for those who do not care which mechanism has it: `PermissionDenied`, `NotFound`,
    /// `AlreadyExists`, `InvalidInput` (a size or a ticket that cannot be), `StorageFull` (a limit), or `Other`.
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind::{AlreadyExists, InvalidInput, NotFound, Other, PermissionDenied, StorageFull};
        match self {
            MechanismError::Sysv(error) => match error {
                SysvError::Exists { .. } => AlreadyExists,
                SysvError::NoKey { .. } | SysvError::NoId { .. } | SysvError::Removed { .. } => NotFound,
                SysvError::Forbidden { .. }
                | SysvError::NotOwner { .. }
                | SysvError::HugeForbidden { .. } => PermissionDenied,
                SysvError::TooMany { .. }
                | SysvError::TooMuch { .. }
                | SysvError::NoMemory { .. }
                | SysvError::NoHugePages { .. } => StorageFull,
                SysvError::Guard { .. } | SysvError::Other { .. } => Other,
                _ => InvalidInput,
            },
            MechanismError::Posix(error) => match error {
                PosixError::Exists { .. } => AlreadyExists,
                PosixError::NoSuch { .. } => NotFound,
                PosixError::Forbidden { .. } => PermissionDenied,
                PosixError::Full { .. } => StorageFull,
                PosixError::Map { .. } | PosixError::Open { .. } => Other,
                _ => InvalidInput,
            },
            MechanismError::Peer(error) => match error {
                PeerError::NoProcess { .. } | PeerError::NoFd { .. } => NotFound,
                PeerError::Forbidden { .. } | PeerError::Mode { .. } => PermissionDenied,
                PeerError::Text { .. } | PeerError::NotFile { .. } => InvalidInput,
                PeerError::Open { .. } | PeerError::Take { .. } => Other,
            },
            MechanismError::Heap(DmaHeapError::Forbidden { .. })
            | MechanismError::Udmabuf(UdmabufError::Forbidden) => PermissionDenied,
            MechanismError::Heap(DmaHeapError::None | DmaHeapError::NoSuch { .. })
            | MechanismError::Udmabuf(UdmabufError::NoDevice) => NotFound,
            MechanismError::Heap(DmaHeapError::Allocate { .. } | DmaHeapError::TooMuch { .. }) => StorageFull,
            MechanismError::Memfd(OwnError::Create(crate::memfd::CreateError::Size { .. }))
            | MechanismError::Udmabuf(UdmabufError::Refused { .. })
            | MechanismError::DmaBuf(DmaBufError::Other { .. })
            | MechanismError::Ticket(_)
            | MechanismError::Empty
            | MechanismError::Smaller { .. }
            | MechanismError::NotMemory
            | MechanismError::WrongTicket { .. } => InvalidInput,
            MechanismError::Memfd(_)
            | MechanismError::DmaBuf(_)
            | MechanismError::Udmabuf(_)
            | MechanismError::Heap(_) => Other,
        }
    }
}
