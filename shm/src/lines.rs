//! Lines of a file from one process to another, through a ring in shared memory: the classic producer and consumer.
//!
//! There are three names, and all of them are files in `/dev/shm`:
//!
//! | | | |
//! |---|---|---|
//! | `/NAME` | POSIX shared memory | a header and the slots of the ring |
//! | `/NAME.free` | semaphore | counts the slots that may be filled |
//! | `/NAME.filled` | semaphore | counts the slots that may be read |
//!
//! The two meet by the names: both sleep in `inotify(7)` until the other comes, whichever is first. As soon as
//! both have all three open the producer removes the names, and from then on nothing is left behind, however the two end.
//!
//! A semaphore does not tell that whoever should post it is no more. So each of the two watches the other
//! ([`shm_core::liveness`]); at the end of the peer its watch posts the semaphore that would be waited for, and who wakes looks
//! first whether somebody is still there.

mod consume;
mod header;
mod meeting;
mod name;
mod produce;
mod ring;

use std::fmt;
use std::io;

use shm_core::liveness::{LivenessError, Process};
use shm_core::own::OwnError;
use shm_core::semaphore::SemaphoreError;
use shm_core::shared::AccessError;

pub use consume::consume;
pub use name::{Name, NameError};
pub use produce::produce;
pub use ring::MAX_SLOTS;

/// What was carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The other side.
    pub peer: Process,
    /// How many lines; a last one without a newline counts.
    pub lines: u64,
    /// How many bytes, newlines included.
    pub bytes: u64,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Who fills the slots.
    Producer,
    /// Who empties them.
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Producer => "producer",
            Role::Consumer => "consumer",
        })
    }
}

/// What happens on the way, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// The names were there, from a producer that is no more; they have been removed.
    Replaced {
        /// The memory's name.
        name: &'a Name,
        /// Who left it.
        owner: Process,
    },
    /// The names are there, from a producer that is no more; a new one will replace them.
    Stale {
        /// The memory's name.
        name: &'a Name,
        /// Who left it.
        owner: Process,
    },
    /// The other side has not come yet.
    Waiting {
        /// Where it is waited for.
        name: &'a Name,
        /// Who it is.
        role: Role,
    },
    /// Both are there.
    Met {
        /// Which the other is.
        role: Role,
        /// Who it is.
        peer: Process,
    },
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = |name: &Name| {
            if *name == Name::default() { String::new() } else { format!(" --name {name}") }
        };
        match *self {
            Note::Replaced { name, owner } => {
                write!(
                    f,
                    "removed {name} and its semaphores, left by a producer (pid {}) that has died",
                    owner.pid
                )
            }
            Note::Stale { name, owner } => {
                write!(
                    f,
                    "{name} is there, but its producer (pid {}) has died; the next one replaces it",
                    owner.pid
                )
            }
            Note::Waiting { name, role: Role::Consumer } => {
                write!(
                    f,
                    "waiting for a consumer: run `selkie shm consume{}` in another terminal",
                    option(name)
                )
            }
            Note::Waiting { name, role: Role::Producer } => {
                write!(
                    f,
                    "waiting for a producer: run `selkie shm produce{} FILE` in another terminal",
                    option(name)
                )
            }
            Note::Met { role: Role::Consumer, peer } => {
                write!(
                    f,
                    "the consumer is process {}; the names are removed, as both have all open",
                    peer.pid
                )
            }
            Note::Met { role: Role::Producer, peer } => write!(f, "the producer is process {}", peer.pid),
        }
    }
}

/// What is said on the way goes through this.
pub type Say<'a> = &'a mut dyn FnMut(Note<'_>);

/// Why lines could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The other side is gone before everything was carried.
    #[error(
        "the {role} (pid {}) has died after {lines} line{}",
        peer.pid,
        if *lines == 1 { "" } else { "s" }
    )]
    Died {
        /// Which.
        role: Role,
        /// Who it was.
        peer: Process,
        /// How many lines the consumer has had, as a whole, by then.
        lines: u64,
    },
    /// Somebody else uses the name.
    #[error("{name} is in use by another {role} (pid {pid}): choose another name with --name")]
    InUse {
        /// The name.
        name: String,
        /// Which of the two sides is taken.
        role: Role,
        /// By whom; 0 if it has not said yet.
        pid: u32,
    },
    /// The memory of that name is something else.
    #[error(
        "/dev/shm{name} is not what `selkie shm produce` makes: {why}; if nobody needs it, remove it, or choose another name \
         with --name"
    )]
    Foreign {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The other side wrote what it never writes.
    #[error("the {role} (pid {}) has written nonsense into the shared memory: {why}", peer.pid)]
    Nonsense {
        /// Which.
        role: Role,
        /// Who it is.
        peer: Process,
        /// What is wrong with it.
        why: String,
    },
    /// The shared memory could not be made, opened or removed.
    #[error("cannot {what} the shared memory {name}")]
    Memory {
        /// What was to be done.
        what: &'static str,
        /// Its name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not be mapped.
    #[error("cannot map the shared memory {name}")]
    Map {
        /// Its name.
        name: String,
        /// What is wrong.
        source: OwnError,
    },
    /// It vanished while it was used: somebody has shrunk it.
    #[error("the shared memory was made smaller while it was in use")]
    Access(#[from] AccessError),
    /// The names cannot be watched, to see the other side come.
    #[error("cannot watch /dev/shm to see the other side come (inotify)")]
    Inotify {
        /// What the kernel said.
        source: io::Error,
    },
    /// A semaphore does not work.
    #[error(transparent)]
    Semaphore(#[from] SemaphoreError),
    /// The other side cannot be watched.
    #[error(transparent)]
    Liveness(#[from] LivenessError),
    /// The file could not be read.
    #[error("cannot read the lines")]
    Read {
        /// What the kernel said.
        source: io::Error,
    },
    /// The lines could not be printed.
    #[error("cannot write the lines")]
    Write {
        /// What the kernel said.
        source: io::Error,
    },
}
