//! Every piece of shared memory on this machine, and who holds it.
//!
//! No one place lists it. System V segments have a table of their own (`ipcs` prints that); POSIX objects are files in
//! `/dev/shm`; memfds and dma-bufs have no name at all, and are found only at the processes that hold them, as open files
//! (`/proc/PID/fd`) or as mappings (`/proc/PID/maps`). All of that is put together here, a piece of memory once, however
//! many hold it.
//!
//! What is memory and what is not is settled by the device that a file is on (`place.rs`), and no file is opened before
//! that is known: opening, or just asking for its size, can hang on a file whose file system is another process.
//!
//! What is not seen: what a process holds that this one may not look at (those are counted, see
//! [`Inventory::unreadable`]), and what lies unread in a socket's queue or belongs to a driver alone. Anonymous shared memory (`mmap`
//! with `MAP_SHARED|MAP_ANONYMOUS`), which only a fork hands on, is left out: it has no name, no fd and no key, so nobody
//! else can come by it, and it goes with the last of its family. Files on other file systems (`XDG_RUNTIME_DIR`, `/tmp`, a
//! disk) can be mapped by several too, and are left out as well.
//!
//! The processes are looked at one after the other, so this is no picture of one moment: who gets hold of a piece just
//! while its former holder lets go may be missed.

mod changes;
mod draft;
mod maps;
mod place;
mod posix;
mod process;
mod sysv;
mod users;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use shm_core::seals::Seals;

pub use changes::{Change, Event};
use draft::Drafts;
use place::Places;
use users::Users;

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// Without `/proc` nothing can be found out.
    #[error("could not read {}: without /proc nobody can say who holds what; is it mounted?", path.display())]
    Proc {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel's table of System V segments.
    #[error("could not read the System V segments in /proc/sysvipc/shm")]
    Sysv(#[source] io::Error),
    /// The directory of POSIX objects.
    #[error("could not list the POSIX objects in {}", path.display())]
    Posix {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The mechanism by which memory is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A System V segment, `shmget(2)`.
    Sysv,
    /// A POSIX object, `shm_open(3)`; also a named semaphore, and whatever else is a file in `/dev/shm`.
    Posix,
    /// Memory with an fd and no name, `memfd_create(2)`.
    Memfd,
    /// Memory that a driver has exported.
    Dmabuf,
}

impl Kind {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Sysv => "System V",
            Kind::Posix => "POSIX",
            Kind::Memfd => "memfd",
            Kind::Dmabuf => "dma-buf",
        }
    }
}

/// The device number of a file system, `makedev(3)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device {
    /// The major number; 0 for every file system that is not on a disk.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which piece it is: the same as long as it lives, and no other's until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Id {
    /// The mechanism.
    pub kind: Kind,
    /// For files: the device.
    pub device: Option<Device>,
    /// For a System V segment of another IPC namespace: that namespace, as in `/proc/PID/ns/ipc`.
    pub namespace: Option<u64>,
    /// The inode number; of a System V segment: its id (`shmid`).
    pub number: u64,
}

/// Who owns a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The user's name, if `/etc/passwd` has it.
    pub user: Option<String>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some(user) => f.write_str(user),
            None => write!(f, "{}", self.uid),
        }
    }
}

/// Whether a piece is left over: it has a name, and lives until somebody removes that, but nobody uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Orphan {
    /// It is held, or goes by itself.
    No,
    /// Nobody was seen to hold it, but not all processes could be looked at.
    Perhaps,
    /// Nobody holds it.
    Yes,
}

/// One mapping of a piece in a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// Where it begins, in that process's addresses.
    pub address: u64,
    /// How long it is, in bytes.
    pub size: u64,
    /// What may be done with it, as in `/proc/PID/maps`: `rw-s`.
    pub access: String,
}

/// A process that holds a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The process.
    pub pid: i32,
    /// What it runs.
    pub program: Option<String>,
    /// The fds by which it holds it.
    pub fds: Vec<i32>,
    /// Its mappings of it, private ones too: they keep the memory as well.
    pub mappings: Vec<Mapping>,
}

/// A piece of shared memory.
///
/// What could not be found out is `None`: about a memfd that is only mapped, and whose holder's `/proc/PID/map_files` may not
/// be followed (that takes `CAP_CHECKPOINT_RESTORE`), nothing is known but that it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Which it is.
    #[serde(flatten)]
    pub id: Id,
    /// A System V segment's key (`0x0000beef`; `0x00000000` is `IPC_PRIVATE`), a POSIX object's name with its slash, the name that
    /// a memfd was made with, the name that somebody gave to a dma-buf.
    pub name: Option<String>,
    /// Further names of the same POSIX object (hard links).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// The name of a POSIX object is gone, or a System V segment was removed, and only its holders keep it.
    pub removed: bool,
    /// It is of another mount or IPC namespace: here its name or key means nothing, or something else.
    pub foreign: bool,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// How much memory it takes, in bytes. Of POSIX objects and memfds that counts what is swapped out, too. All of a
    /// dma-buf.
    pub resident: Option<u64>,
    /// How much of it is swapped out, in bytes; known of System V segments only.
    pub swapped: Option<u64>,
    /// The size in bytes of the huge pages that it is made of, if it is (memfds only).
    pub huge_page: Option<u64>,
    /// A memfd's seals. The other kinds cannot have any.
    #[serde(serialize_with = "seals_by_name")]
    pub seals: Option<Seals>,
    /// The driver that made a dma-buf.
    pub exporter: Option<String>,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// The permissions, in octal.
    pub mode: Option<String>,
    /// The process that made a System V segment, which need not be there any more.
    pub creator: Option<i32>,
    /// How often a System V segment is attached, as the kernel counts it.
    pub attached: Option<u64>,
    /// Whether it is a leftover.
    pub orphan: Orphan,
    /// Who holds it, as far as could be seen, by process id.
    pub holders: Vec<Holder>,
}

/// Seals as they are written everywhere: `seal+shrink`, `none`.
fn seals_by_name<S: Serializer>(seals: &Option<Seals>, serializer: S) -> Result<S::Ok, S::Error> {
    match seals {
        Some(seals) => serializer.collect_str(seals),
        None => serializer.serialize_none(),
    }
}

/// All shared memory that could be seen.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// The pieces, by kind, then by name.
    pub pieces: Vec<Piece>,
    /// How many processes could not be looked at, so that nobody knows what they hold. Only root may look at all.
    pub unreadable: usize,
    /// How many directories in `/dev/shm` could not be listed, so that nobody knows what is in them.
    pub closed_directories: usize,
    /// There may be processes that `/proc` does not even show: this is a PID namespace of its own (a container), or
    /// `/proc` hides other users' processes (`hidepid`).
    pub hidden: bool,
}

impl Inventory {
    /// Looks at the whole machine, once.
    ///
    /// # Errors
    ///
    /// If `/proc` or `/dev/shm` is there and cannot be read. A process that ends meanwhile, or may not be looked at, is no error.
    pub fn take() -> Result<Inventory, InventoryError> {
        Lister::new()?.take()
    }

    /// The leftovers among the pieces, also those that only may be.
    pub fn orphans(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| piece.orphan != Orphan::No)
    }
}

/// Takes inventories again and again, and keeps what cannot change.
#[derive(Debug)]
pub struct Lister {
    places: Places,
    users: Users,
    ipc: Option<u64>,
    /// The seals of memfds to which none can be added any more.
    sealed: HashMap<Id, Seals>,
}

impl Lister {
    /// Learns what the same machine always says.
    ///
    /// # Errors
    ///
    /// If there is no `/proc`.
    pub fn new() -> Result<Lister, InventoryError> {
        Ok(Lister {
            places: Places::learn()?,
            users: Users::read(),
            ipc: process::ipc_namespace("self"),
            sealed: HashMap::new(),
        })
    }

    /// Looks at the whole machine.
    ///
    /// # Errors
    ///
    /// Those of [`Inventory::take`].
    pub fn take(&mut self) -> Result<Inventory, InventoryError> {
        self.places.refresh()?;
        let mut drafts = Drafts::new(std::mem::take(&mut self.sealed));
        // The order matters. Names come first: a name made later, and by a process that was looked at before, would seem to
        // be an orphan. The table of segments comes last: it knows what is attached, and what is gone.
        posix::list(&self.places, &mut drafts)?;
        let unreadable = process::scan(&mut self.places, self.ipc, &mut drafts)?;
        let segments = sysv::segments()?;
        let hidden = self.places.processes_are_hidden();
        let closed_directories = drafts.closed_directories;
        let (pieces, sealed) = drafts.finish(segments, &self.places, &self.users, unreadable > 0 || hidden);
        self.sealed = sealed;
        Ok(Inventory { pieces, unreadable, closed_directories, hidden })
    }
}
