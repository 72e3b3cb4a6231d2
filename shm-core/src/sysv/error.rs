//! What the kernel says in one number, as a sentence that says what to do. `EINVAL` alone has five meanings.

use std::fmt;
use std::io;

use rustix::io::Errno;

use super::{Create, Key, Limits, Segment, Usage};

/// A segment by the name that was used for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Its key.
    Key(Key),
    /// Its id (`shmid`).
    Id(i32),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Key(key) => write!(f, "with key {key}"),
            Which::Id(id) => write!(f, "{id}"),
        }
    }
}

/// Why something could not be done with a System V segment.
#[derive(Debug, thiserror::Error)]
pub enum SysvError {
    /// `EEXIST`: there is a segment already.
    #[error(
        "there is a segment with key {key} already: open that one, remove it (ipcrm -M {key}), or take another key"
    )]
    Exists {
        /// Its key.
        key: Key,
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOENT`: there is no segment.
    #[error("there is no segment with key {key}: create it first (ipcs -m lists those there are)")]
    NoKey {
        /// The key.
        key: Key,
        /// What the kernel said.
        source: io::Error,
    },
    /// [`Key::PRIVATE`] finds nothing.
    #[error("IPC_PRIVATE is the key of no segment and of many: open it by its id, or create it with a key")]
    Private,
    /// `EINVAL`: a segment of 0 bytes.
    #[error("a segment has at least 1 byte (SHMMIN), and 0 were asked for")]
    Empty,
    /// `EINVAL`: beyond `SHMMAX`.
    #[error(
        "a segment has at most {limit} bytes here (SHMMAX, /proc/sys/kernel/shmmax), and {size} were asked for"
    )]
    BeyondLimit {
        /// The size asked for, in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
        /// What the kernel said; none if it was not asked.
        source: Option<io::Error>,
    },
    /// `EINVAL`: the segment is smaller than what was asked for.
    #[error(
        "the segment with key {key} has {}, and {size} were asked for: a segment never grows, so ask for less or for 0 (as \
         it is), or remove it and create a larger one", Bytes(*.has)
    )]
    Smaller {
        /// Its key.
        key: Key,
        /// The size asked for, in bytes.
        size: u64,
        /// Its size in bytes, if it may be read.
        has: Option<u64>,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EINVAL`: there are no huge pages of that size.
    #[error("this machine has no huge pages of {size} bytes: /sys/kernel/mm/hugepages lists those it has")]
    NoHugeSize {
        /// Their size in bytes.
        size: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EPERM`: huge pages are not for everybody.
    #[error(
        "huge pages need the group in /proc/sys/vm/hugetlb_shm_group, CAP_IPC_LOCK, or a larger RLIMIT_MEMLOCK"
    )]
    HugeForbidden {
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOMEM`: there are not enough huge pages.
    #[error(
        "there are not enough free huge pages for {size} bytes: see HugePages_Free in /proc/meminfo, and raise vm.nr_hugepages"
    )]
    NoHugePages {
        /// The size asked for, in bytes.
        size: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOSPC`: `SHMMNI`.
    #[error(
        "there are {limit} segments, as many as there may be (SHMMNI, /proc/sys/kernel/shmmni): remove some (ipcs -m, ipcrm)"
    )]
    TooMany {
        /// The limit.
        limit: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOSPC`: `SHMALL`.
    #[error(
        "{size} bytes are more than all segments together may still take: {used} of {limit} pages are taken (SHMALL, \
         /proc/sys/kernel/shmall)"
    )]
    TooMuch {
        /// The size asked for, in bytes.
        size: u64,
        /// The pages of all segments.
        used: u64,
        /// How many there may be.
        limit: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// `ENOMEM`.
    #[error("there is no memory, or no room among this process's addresses, for a segment of {}", Bytes(*.size))]
    NoMemory {
        /// Its size in bytes, if known.
        size: Option<u64>,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EACCES`: its mode does not let this user in.
    #[error(
        "the mode of the segment {which} does not let this user {wish} it: its owner can change that (IPC_SET)"
    )]
    Forbidden {
        /// The segment.
        which: Which,
        /// What was to be done.
        wish: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EPERM`: only for its owner and creator.
    #[error("only the owner and the creator of the segment {id} (or one with CAP_SYS_ADMIN) may {wish} it")]
    NotOwner {
        /// Its id.
        id: i32,
        /// What was to be done.
        wish: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EIDRM`: it was removed.
    #[error("the segment {id} has been removed")]
    Removed {
        /// Its id.
        id: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// `EINVAL`: there is no such id.
    #[error("there is no segment {id}: it has been removed, or never was (ipcs -m lists those there are)")]
    NoId {
        /// The id.
        id: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// An address that no memory can have.
    #[error(
        "{address:#x} is no address for a segment: it must be a multiple of {page} other than 0, or be rounded down to one (SHM_RND)"
    )]
    Unaligned {
        /// The address.
        address: usize,
        /// What it must be a multiple of (`SHMLBA`), in bytes.
        page: usize,
    },
    /// `EINVAL`: the address is taken.
    #[error(
        "the segment {id} cannot be attached at {address:#x}: something is mapped there, or it is no place for this process's memory"
    )]
    Taken {
        /// Its id.
        id: i32,
        /// The address.
        address: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The reservation is too small.
    #[error("a reservation of {reserved} bytes has no room for the {needed} bytes of the segment {id}")]
    Reserved {
        /// Its id.
        id: i32,
        /// The size of the reservation in bytes.
        reserved: usize,
        /// The size of the segment in whole pages, in bytes.
        needed: usize,
    },
    /// A mode that is none.
    #[error("{mode:#o} is no mode: there are 9 bits, up to 0777")]
    Mode {
        /// The mode.
        mode: u32,
    },
    /// The guard could not be installed.
    #[error("cannot install the handler for SIGBUS")]
    Guard {
        /// What the kernel said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot {wish} the segment {which}")]
    Other {
        /// What was to be done.
        wish: &'static str,
        /// The segment.
        which: Which,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A size that may not be known.
struct Bytes(Option<u64>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(size) => write!(f, "{size} bytes"),
            None => f.write_str("fewer bytes"),
        }
    }
}

/// What went wrong in `shmget`.
pub(super) fn get(key: Key, create: Option<&Create>, size: u64, source: io::Error) -> SysvError {
    let which = Which::Key(key);
    let wish = if create.is_some() { "create" } else { "open" };
    let huge = create.and_then(|create| create.huge);
    let errno = Errno::from_io_error(&source);
    match errno {
        Some(Errno::EXIST) => SysvError::Exists { key, source },
        Some(Errno::NOENT) => SysvError::NoKey { key, source },
        Some(Errno::ACCESS) => SysvError::Forbidden { which, wish: "open", source },
        Some(Errno::PERM) if huge.is_some() => SysvError::HugeForbidden { source },
        Some(Errno::NOMEM) if huge.is_some() => SysvError::NoHugePages { size, source },
        Some(Errno::NOMEM) => SysvError::NoMemory { size: Some(size), source },
        Some(Errno::NOSPC) => full(which, size, source),
        Some(Errno::INVAL) => invalid(key, create, size, source),
        _ => SysvError::Other { wish, which, source },
    }
}

/// `ENOSPC` of `shmget`: either limit.
fn full(which: Which, size: u64, source: io::Error) -> SysvError {
    let (Ok(limits), Ok(usage)) = (Limits::read(), Usage::read()) else {
        return SysvError::Other { wish: "create", which, source };
    };
    if usage.segments >= limits.max_segments {
        return SysvError::TooMany { limit: limits.max_segments, source };
    }
    SysvError::TooMuch { size, used: usage.pages, limit: limits.max_pages, source }
}

/// `EINVAL` of `shmget`: in the order in which the kernel looks.
fn invalid(key: Key, create: Option<&Create>, size: u64, source: io::Error) -> SysvError {
    // A segment that exists: then only its size is looked at.
    if !key.is_private()
        && let Ok(found) = Segment::find(key)
    {
        let has = found.stat().ok().map(|stat| stat.size);
        return SysvError::Smaller { key, size, has, source };
    }
    if let Ok(limits) = Limits::read()
        && size > limits.max_size
    {
        return SysvError::BeyondLimit { size, limit: limits.max_size, source: Some(source) };
    }
    match create.and_then(|create| create.huge) {
        Some(huge) => SysvError::NoHugeSize { size: huge.bytes(), source },
        None => SysvError::Other { wish: "create", which: Which::Key(key), source },
    }
}

/// What went wrong in `shmctl`, and in `shmat` at an address of the kernel's choice.
pub(super) fn on_id(id: i32, wish: &'static str, source: io::Error) -> SysvError {
    let which = Which::Id(id);
    match Errno::from_io_error(&source) {
        Some(Errno::ACCESS) => SysvError::Forbidden { which, wish, source },
        Some(Errno::PERM) => SysvError::NotOwner { id, wish, source },
        Some(Errno::IDRM) => SysvError::Removed { id, source },
        Some(Errno::INVAL) => SysvError::NoId { id, source },
        Some(Errno::NOMEM) => {
            let size = Segment::from_id(id).stat().ok().map(|stat| stat.size);
            SysvError::NoMemory { size, source }
        }
        _ => SysvError::Other { wish, which, source },
    }
}
