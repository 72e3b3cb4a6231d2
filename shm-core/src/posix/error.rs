//! What the kernel says in one number, as a sentence that says what to do.

use std::io;

use rustix::io::Errno;

use super::Name;
use crate::own::OwnError;

/// Why something could not be done with POSIX shared memory.
#[derive(Debug, thiserror::Error)]
pub enum PosixError {
    /// `EEXIST`: there is one already.
    #[error(
        "there is shared memory `{name}` already: open that, unlink it (rm /dev/shm{name}), or take another name"
    )]
    Exists {
        /// Its name.
        name: Name,
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOENT`: there is none.
    #[error("there is no shared memory `{name}`: create it first (ls /dev/shm lists what there is)")]
    NoSuch {
        /// The name.
        name: Name,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EACCES`, `EPERM`: its mode or owner does not allow it.
    #[error(
        "this user may not {wish} the shared memory `{name}`: see its mode and owner (ls -l /dev/shm{name})"
    )]
    Forbidden {
        /// Its name.
        name: Name,
        /// What was to be done.
        wish: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A size of 0.
    #[error("shared memory has at least 1 byte, and 0 were asked for")]
    Empty,
    /// It has no size yet.
    #[error(
        "the shared memory `{name}` has 0 bytes: whoever creates it has not given it a size yet; try again"
    )]
    NoBytes {
        /// Its name.
        name: Name,
    },
    /// It is smaller than what was asked for.
    #[error(
        "the shared memory `{name}` has {has} bytes, and {size} were asked for: ask for less, or let its owner grow it"
    )]
    Smaller {
        /// Its name.
        name: Name,
        /// The size asked for, in bytes.
        size: u64,
        /// Its size in bytes.
        has: u64,
    },
    /// `EFBIG`, `EINVAL` of `ftruncate`: larger than a file can be.
    #[error("{size} bytes are more than a file can have: the shared memory `{name}` cannot be that large")]
    TooLarge {
        /// Its name.
        name: Name,
        /// The size asked for, in bytes.
        size: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOSPC`: `/dev/shm` is full.
    #[error(
        "there is no room for {size} bytes in /dev/shm for `{name}`: see df /dev/shm, and ls -l /dev/shm for what was left there"
    )]
    Full {
        /// Its name.
        name: Name,
        /// The size asked for, in bytes.
        size: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// What has the name is something else.
    #[error("`{name}` in /dev/shm is no shared memory, but a link, a directory, a pipe or a device")]
    NotMemory {
        /// Its name.
        name: Name,
        /// What the kernel said, if it was the one that refused.
        source: Option<io::Error>,
    },
    /// A mode that is none.
    #[error("{mode:#o} is no mode: there are 9 bits, up to 0777")]
    Mode {
        /// The mode.
        mode: u32,
    },
    /// It could not be mapped.
    #[error("cannot map the shared memory `{name}`")]
    Map {
        /// Its name.
        name: Name,
        /// Why not.
        source: OwnError,
    },
    /// Anything else.
    #[error("cannot {wish} the shared memory `{name}`")]
    Open {
        /// Its name.
        name: Name,
        /// What was to be done.
        wish: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl PosixError {
    /// What went wrong in `shm_open` or `shm_unlink`.
    pub(super) fn from_open(name: &Name, wish: &'static str, error: Errno) -> PosixError {
        let (name, source) = (name.clone(), io::Error::from(error));
        match error {
            Errno::EXIST => PosixError::Exists { name, source },
            Errno::NOENT => PosixError::NoSuch { name, source },
            Errno::ACCESS | Errno::PERM => PosixError::Forbidden { name, wish, source },
            Errno::LOOP | Errno::ISDIR | Errno::NXIO => PosixError::NotMemory { name, source: Some(source) },
            _ => PosixError::Open { name, wish, source },
        }
    }

    /// What went wrong in `ftruncate` or `fallocate`.
    pub(super) fn from_size(name: &Name, size: u64, error: Errno) -> PosixError {
        let (name, source) = (name.clone(), io::Error::from(error));
        match error {
            Errno::NOSPC => PosixError::Full { name, size, source },
            Errno::FBIG | Errno::INVAL => PosixError::TooLarge { name, size, source },
            _ => PosixError::Open { name, wish: "size", source },
        }
    }
}
