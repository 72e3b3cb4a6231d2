//! May a stranger's memory be read? The verdict, and the order of the questions that lead to it.
//!
//! A question can itself be an attack: `fstat`, `fstatfs`, `mmap` and `close` of a file on FUSE all wait for its owner, who
//! may be the very client that sent it. So nothing is asked of a file system before it is known to be one that answers:
//!
//! 1. `F_GET_SEALS`: the kernel answers from memory, for shmem and hugetlbfs only. Any answer but exactly `F_SEAL_SEAL` proves
//!    a memfd (every other shmem file is born with exactly that set, which allows no other seal), so from
//!    there on its file system is known, and is the kernel's own. With `F_SEAL_SHRINK` in it, the memory is a
//!    candidate for `Sealed`, and since seals cannot be removed the answer stays true.
//! 2. Otherwise, where the file lives, as `verdict/place.rs` finds out without asking it.
//! 3. `fstatfs`: shmem or hugetlbfs. They take the same seals, but a hole punched in a hugetlb memfd gives its pages back, and
//!    the next read faults when there are no free huge pages. `F_SEAL_SHRINK` promises nothing about that.
//! 4. `fstat`: is it a regular file, and as long as the client claims? After 1, its size can only grow.
//!
//! The answer is `Sealed` (cannot vanish), `Unsealed` (can be read, with a precaution) or `Unusable`, and for the latter two a
//! sentence for the person who wrote the client.
//!
//! See `fcntl(2)`, "File Sealing", `memfd_create(2)`, `proc_pid_fdinfo(5)`, `proc_pid_mountinfo(5)`.

mod place;
mod why;

use std::fmt;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags};

use crate::helpers::Helpers;
use crate::seals::{self, Seals};
use place::Place;

pub use why::{Unsealed, Unusable};

/// Threads for the questions that can be made to wait.
pub(crate) static ASKERS: Helpers = Helpers::new("selkie-asker", 64);

/// What is known about a piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Whether it may be read.
    pub verdict: Verdict,
    /// Its seals; `None` if its file system has none.
    pub seals: Option<Seals>,
    /// Its size in bytes; `None` if it was not safe to ask, or it has none.
    pub file_size: Option<u64>,
    /// What it is.
    pub kind: Kind,
    /// Whether [`adopt`] has added `F_SEAL_SHRINK` to it.
    pub adopted: bool,
}

/// Whether memory may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can neither shrink nor lose pages: reading it is safe, from now on and for ever.
    Sealed,
    /// It can be read, but its pages may vanish at any time.
    Unsealed {
        /// What it takes to make it `Sealed`.
        why: Unsealed,
    },
    /// It is not memory, or too small, or somewhere that could stall whoever touches it.
    Unusable {
        /// What is wrong with it.
        why: Unusable,
    },
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A memfd, or other shared memory of the kernel's own that has no path.
    Memfd,
    /// A memfd (or file) of huge pages.
    HugetlbMemfd,
    /// A file on tmpfs; POSIX shared memory (`/dev/shm`) is that.
    Tmpfs,
    /// A file on a local disk.
    Disk,
    /// A file on FUSE, on the network, or where we cannot know. Never asked about anything.
    Remote,
    /// A pipe or FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A character device, such as `/dev/zero`.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A dma-buf.
    DmaBuf,
    /// Something else: an eventfd, an epoll instance, a path without a file (`O_PATH`), ...
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Memfd => "memfd",
            Kind::HugetlbMemfd => "hugetlb memfd",
            Kind::Tmpfs => "tmpfs file",
            Kind::Disk => "disk file",
            Kind::Remote => "remote file",
            Kind::Pipe => "pipe",
            Kind::Socket => "socket",
            Kind::CharDevice => "character device",
            Kind::BlockDevice => "block device",
            Kind::Directory => "directory",
            Kind::DmaBuf => "dma-buf",
            Kind::Other => "not a file",
        })
    }
}

impl fmt::Display for Verdict {
    /// `sealed`, or the sentence that says why not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Sealed => f.pad("sealed"),
            Verdict::Unsealed { why } => why.fmt(f),
            Verdict::Unusable { why } => why.fmt(f),
        }
    }
}

/// Finds out whether the first `claimed` bytes of `fd` may be read.
///
/// Never waits for another process, whatever the fd is. About a microsecond for memory that is sealed, some ten for
/// other memory, some fifty for files without seals.
pub fn examine(fd: BorrowedFd<'_>, claimed: u64) -> Examined {
    let seals = Seals::of(fd).ok();
    // Answered from the open file itself.
    let flags = rustix::fs::fcntl_getfl(fd).unwrap_or(OFlags::PATH);
    let found = if flags.contains(OFlags::PATH) {
        Found { kind: Kind::Other, size: None, refused: Some(Unusable::PathOnly), disk: None }
    } else {
        what_is(fd, seals)
    };
    let verdict = match judge(&found, flags, seals, claimed) {
        Ok(None) => Verdict::Sealed,
        Ok(Some(why)) => Verdict::Unsealed { why },
        Err(why) => Verdict::Unusable { why },
    };
    Examined { verdict, seals, file_size: found.size, kind: found.kind, adopted: false }
}

/// As [`examine`], after adding `F_SEAL_SHRINK` where the memory allows it: to a memfd that is not sealed shut.
///
/// No other seal is ever added. The adding is done on a helper thread, since the owner of the memory can make it wait for
/// ever (then the verdict is [`Unusable::Locked`], after some milliseconds).
pub fn adopt(fd: BorrowedFd<'_>, claimed: u64) -> Examined {
    let open = Seals::of(fd).is_ok_and(|seals| !seals.intersects(Seals::SEAL | Seals::SHRINK));
    if !open {
        return examine(fd, claimed);
    }
    // Whether it worked is seen by examining: a read-only fd, for one, is refused with EPERM.
    let added =
        fd.try_clone_to_owned().ok().and_then(|copy| ASKERS.ask(move || seals::add_shrink(copy).is_ok()));
    let examined = Examined { adopted: added == Some(true), ..examine(fd, claimed) };
    match (added, &examined.verdict) {
        (None, Verdict::Unsealed { .. }) => {
            Examined { verdict: Verdict::Unusable { why: Unusable::Locked }, ..examined }
        }
        _ => examined,
    }
}

/// Who made the dma-buf `fd`; what else it is, if it is none. Never waits for another process.
pub(crate) fn exporter(fd: BorrowedFd<'_>) -> Result<String, Kind> {
    let seals = Seals::of(fd).ok();
    let flags = rustix::fs::fcntl_getfl(fd).unwrap_or(OFlags::PATH);
    if seals.is_none()
        && !flags.contains(OFlags::PATH)
        && let Place::DmaBuf { exporter } = place::of(fd, false)
    {
        return Ok(exporter);
    }
    Err(examine(fd, 0).kind)
}

/// Whether the file that an `O_PATH` fd names can be opened without waiting for another process, and what it is if not. A
/// device can be, as far as this goes.
pub(crate) fn openable(path: BorrowedFd<'_>) -> Result<(), Kind> {
    match place::of(path, true) {
        Place::Kernel { .. } | Place::Tmpfs | Place::Hugetlbfs | Place::Disk { .. } => Ok(()),
        Place::Remote { .. } if place::is_called_dma_buf(path) => Err(Kind::DmaBuf),
        Place::Remote { .. } => Err(Kind::Remote),
        Place::Pipe => Err(Kind::Pipe),
        Place::Socket => Err(Kind::Socket),
        Place::DmaBuf { .. } => Err(Kind::DmaBuf),
        Place::Other => Err(Kind::Other),
    }
}

/// What was found out about a file.
struct Found {
    kind: Kind,
    /// In bytes, of a regular file.
    size: Option<u64>,
    /// Why it cannot be memory at all.
    refused: Option<Unusable>,
    /// The type of the disk's file system.
    disk: Option<String>,
}

/// Finds out what `fd` is, in the order that the head of this file gives.
fn what_is(fd: BorrowedFd<'_>, seals: Option<Seals>) -> Found {
    let refused = |kind, why| Found { kind, size: None, refused: Some(why), disk: None };
    let place = match seals {
        Some(seals) if seals != Seals::SEAL => Place::Kernel { memfd: true },
        _ => place::of(fd, seals.is_some()),
    };
    let (kind, disk) = match place {
        // From here on the file system answers by itself.
        Place::Kernel { memfd } => match rustix::fs::fstatfs(fd) {
            Ok(found) if found.f_type == libc::HUGETLBFS_MAGIC => (Kind::HugetlbMemfd, None),
            Ok(found) if found.f_type == libc::TMPFS_MAGIC => {
                (if memfd { Kind::Memfd } else { Kind::Tmpfs }, None)
            }
            _ => return refused(Kind::Other, Unusable::NoMemory),
        },
        Place::Tmpfs => (Kind::Tmpfs, None),
        Place::Hugetlbfs => (Kind::HugetlbMemfd, None),
        Place::Disk { file_system } => (Kind::Disk, Some(file_system)),
        Place::Remote { file_system } => return refused(Kind::Remote, Unusable::Remote { file_system }),
        Place::Pipe => return refused(Kind::Pipe, Unusable::Pipe),
        Place::Socket => return refused(Kind::Socket, Unusable::Socket),
        Place::DmaBuf { .. } => return refused(Kind::DmaBuf, Unusable::DmaBuf),
        Place::Other => return refused(Kind::Other, Unusable::NoMemory),
    };
    let Ok(stat) = rustix::fs::fstat(fd) else { return refused(Kind::Other, Unusable::NoMemory) };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Found { kind, size: u64::try_from(stat.st_size).ok(), refused: None, disk },
        FileType::Fifo => refused(Kind::Pipe, Unusable::Pipe),
        FileType::Socket => refused(Kind::Socket, Unusable::Socket),
        FileType::CharacterDevice => refused(Kind::CharDevice, Unusable::CharDevice),
        FileType::BlockDevice => refused(Kind::BlockDevice, Unusable::BlockDevice),
        FileType::Directory => refused(Kind::Directory, Unusable::Directory),
        FileType::Symlink | FileType::Unknown => refused(Kind::Other, Unusable::NoMemory),
    }
}

/// The verdict on what was found: `None` is `Sealed`.
fn judge(
    found: &Found,
    flags: OFlags,
    seals: Option<Seals>,
    claimed: u64,
) -> Result<Option<Unsealed>, Unusable> {
    if let Some(why) = &found.refused {
        return Err(why.clone());
    }
    let access = flags & OFlags::ACCMODE;
    if access != OFlags::RDONLY && access != OFlags::RDWR {
        return Err(Unusable::WriteOnly);
    }
    if claimed == 0 {
        return Err(Unusable::Empty);
    }
    let size = found.size.unwrap_or(0);
    if size < claimed {
        return Err(Unusable::TooShort { claimed, size });
    }
    let seals = seals.unwrap_or_default();
    Ok(match found.kind {
        Kind::HugetlbMemfd => Some(Unsealed::Hugetlb),
        Kind::Tmpfs => Some(Unsealed::Tmpfs),
        Kind::Disk => Some(Unsealed::Disk { file_system: found.disk.clone().unwrap_or_default() }),
        Kind::Memfd if seals.contains(Seals::SHRINK) => None,
        Kind::Memfd if seals == Seals::SEAL => Some(Unsealed::NotSealable),
        Kind::Memfd if seals.contains(Seals::SEAL) => Some(Unsealed::SealedShut { seals }),
        Kind::Memfd if access == OFlags::RDONLY => Some(Unsealed::ReadOnly),
        Kind::Memfd => Some(Unsealed::ShrinkMissing),
        _ => return Err(Unusable::NoMemory),
    })
}
