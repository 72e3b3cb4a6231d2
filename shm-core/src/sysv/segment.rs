//! Segments: creating, finding, asking, changing and removing them.

use std::io;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, getpid};

use super::{Key, Limits, SysvError, Which, error};

/// How to create a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its size in bytes; at least 1. The memory comes in whole pages, all zeros.
    pub size: u64,
    /// Who may read and write it: the permission bits as of a file (`0o600`). The umask takes **no** part in it.
    pub mode: u32,
    /// Whether one that exists is an error (`IPC_EXCL`). Without it one that has the key and is at least as large is taken as it is,
    /// with the mode, size and content that it has.
    pub exclusive: bool,
    /// Whether it is made of huge pages (`SHM_HUGETLB`), and of which.
    pub huge: Option<Huge>,
    /// Whether no swap space is set aside for it (`SHM_NORESERVE`); where the system does not overcommit, touching it may then
    /// raise `SIGBUS`.
    pub no_reserve: bool,
}

impl Create {
    /// `size` bytes for this user alone (mode 0600); one that exists is an error.
    pub const fn new(size: u64) -> Create {
        Create { size, mode: 0o600, exclusive: true, huge: None, no_reserve: false }
    }
}

/// Huge pages of a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Huge {
    /// The binary logarithm of their size in bytes (21: 2 MiB); 0: whatever the system's default is.
    log2: u8,
}

impl Huge {
    /// Pages of this size in bytes; `None` unless it is a power of two above 1 and below 2^63.
    pub const fn of(bytes: u64) -> Option<Huge> {
        if !bytes.is_power_of_two() || bytes == 1 || bytes > 1 << 62 {
            return None;
        }
        // At most 62.
        Some(Huge { log2: bytes.trailing_zeros() as u8 })
    }

    /// Pages of the system's default size (`Hugepagesize` in `/proc/meminfo`).
    pub const fn system() -> Huge {
        Huge { log2: 0 }
    }

    /// Their size in bytes; 0 for the default.
    pub const fn bytes(self) -> u64 {
        if self.log2 == 0 { 0 } else { 1 << self.log2 }
    }

    /// `SHM_HUGETLB`, and the size where `SHM_HUGE_SHIFT` says.
    fn flags(self) -> libc::c_int {
        libc::SHM_HUGETLB | libc::c_int::from(self.log2) << 26
    }
}

/// A System V segment, known by its id.
///
/// This is only a number: it owns nothing, and the segment may be removed at any time by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    id: i32,
}

impl Segment {
    /// Creates a segment, `shmget(2)`. It stays until somebody removes it, or the system shuts down: see
    /// [`Segment::remove_on_drop`].
    ///
    /// # Errors
    ///
    /// [`SysvError`].
    pub fn create(key: Key, create: &Create) -> Result<Segment, SysvError> {
        if create.mode > 0o777 {
            return Err(SysvError::Mode { mode: create.mode });
        }
        if create.size == 0 {
            return Err(SysvError::Empty);
        }
        let mut flags = libc::IPC_CREAT | create.mode.cast_signed();
        if create.exclusive {
            flags |= libc::IPC_EXCL;
        }
        if create.no_reserve {
            flags |= libc::SHM_NORESERVE;
        }
        flags |= create.huge.map_or(0, Huge::flags);
        Segment::get(key, create.size, flags, Some(create))
    }

    /// Opens a segment that has at least `size` bytes by its key; with 0, of any size.
    ///
    /// Nothing is asked about permissions here, but when it is [attached](Segment::attach).
    ///
    /// # Errors
    ///
    /// [`SysvError::NoKey`], [`SysvError::Smaller`], [`SysvError::Private`].
    pub fn open(key: Key, size: u64) -> Result<Segment, SysvError> {
        if key.is_private() {
            return Err(SysvError::Private);
        }
        Segment::get(key, size, 0, None)
    }

    /// As [`Segment::open`] with any size, for those who are to explain why that failed.
    pub(super) fn find(key: Key) -> io::Result<Segment> {
        // SAFETY: no pointers.
        match unsafe { libc::shmget(key.number(), 0, 0) } {
            id if id >= 0 => Ok(Segment { id }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn get(key: Key, size: u64, flags: libc::c_int, create: Option<&Create>) -> Result<Segment, SysvError> {
        let Ok(bytes) = libc::size_t::try_from(size) else {
            let limit = Limits::read().map_or(u64::MAX, |limits| limits.max_size);
            return Err(SysvError::BeyondLimit { size, limit, source: None });
        };
        // SAFETY: no pointers.
        match unsafe { libc::shmget(key.number(), bytes, flags) } {
            id if id >= 0 => Ok(Segment { id }),
            _ => Err(error::get(key, create, size, io::Error::last_os_error())),
        }
    }

    /// The segment with this id. Whether there is one is not asked.
    pub const fn from_id(id: i32) -> Segment {
        Segment { id }
    }

    /// Its id (`shmid`), by which anybody who has the permission can attach it.
    pub const fn id(self) -> i32 {
        self.id
    }

    /// Asks about it (`IPC_STAT`).
    ///
    /// # Errors
    ///
    /// [`SysvError::Forbidden`] without the permission to read it, [`SysvError::NoId`], [`SysvError::Removed`].
    pub fn stat(self) -> Result<Stat, SysvError> {
        let mut data = MaybeUninit::<libc::shmid_ds>::zeroed();
        // SAFETY: IPC_STAT writes a `struct shmid_ds`.
        if unsafe { libc::shmctl(self.id, libc::IPC_STAT, data.as_mut_ptr()) } < 0 {
            return Err(error::on_id(self.id, "ask about", io::Error::last_os_error()));
        }
        // SAFETY: numbers, all zeros before and written by the kernel since.
        Ok(Stat::from(&unsafe { data.assume_init() }))
    }

    /// Changes its owner and mode (`IPC_SET`). Who has it attached keeps it.
    ///
    /// # Errors
    ///
    /// [`SysvError::NotOwner`], [`SysvError::NoId`], [`SysvError::Removed`], [`SysvError::Mode`].
    pub fn set_permissions(self, permissions: Permissions) -> Result<(), SysvError> {
        let Permissions { owner, group, mode } = permissions;
        if mode > 0o777 {
            return Err(SysvError::Mode { mode });
        }
        // SAFETY: all zeros is a valid `struct shmid_ds`.
        let mut data: libc::shmid_ds = unsafe { std::mem::zeroed() };
        data.shm_perm.uid = owner;
        data.shm_perm.gid = group;
        // 9 bits fit into whatever type it has here.
        data.shm_perm.mode = mode as _;
        // SAFETY: IPC_SET reads a `struct shmid_ds`.
        match unsafe { libc::shmctl(self.id, libc::IPC_SET, &raw mut data) } {
            0 => Ok(()),
            _ => Err(error::on_id(self.id, "change", io::Error::last_os_error())),
        }
    }

    /// Removes it (`IPC_RMID`): its key is free at once, nobody finds it by that any more; the memory lives until the last one
    /// who has it attached detaches it. On Linux it can be attached by its id until then.
    ///
    /// # Errors
    ///
    /// [`SysvError::NotOwner`], [`SysvError::NoId`], [`SysvError::Removed`].
    pub fn remove(self) -> Result<(), SysvError> {
        // SAFETY: IPC_RMID does not look at the pointer.
        match unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(error::on_id(self.id, "remove", io::Error::last_os_error())),
        }
    }

    /// Makes this process responsible for removing it.
    pub fn remove_on_drop(self) -> OwnedSegment {
        OwnedSegment { segment: self, process: getpid() }
    }
}

/// A segment that is removed when this value is dropped: in the process that made the value, and not in a child that it has
/// forked.
///
/// A process that is killed drops nothing. Its segment stays, with nobody attached, and counts against the limits until
/// somebody removes it. Who wants to be safe from that removes a segment as soon as everybody has attached it.
#[derive(Debug)]
pub struct OwnedSegment {
    segment: Segment,
    process: Pid,
}

impl OwnedSegment {
    /// Leaves the segment there after all.
    pub fn keep(self) -> Segment {
        let segment = self.segment;
        std::mem::forget(self);
        segment
    }

    /// Removes it now.
    ///
    /// # Errors
    ///
    /// As [`Segment::remove`].
    pub fn remove(self) -> Result<(), SysvError> {
        self.keep().remove()
    }
}

impl Deref for OwnedSegment {
    type Target = Segment;

    fn deref(&self) -> &Segment {
        &self.segment
    }
}

impl Drop for OwnedSegment {
    fn drop(&mut self) {
        if getpid() != self.process {
            return;
        }
        match self.segment.remove() {
            // Somebody else was faster.
            Ok(()) | Err(SysvError::NoId { .. } | SysvError::Removed { .. }) => {}
            Err(error) => tracing::warn!(%error, "a System V segment is left behind"),
        }
    }
}

/// Who owns a segment, and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The user who owns it.
    pub owner: u32,
    /// The group that owns it.
    pub group: u32,
    /// The permission bits, as of a file. The bits for executing mean nothing.
    pub mode: u32,
}

/// What the kernel knows about a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its key; [`Key::PRIVATE`] if it has none, or has been removed.
    pub key: Key,
    /// Its size in bytes, as it was asked for.
    pub size: u64,
    /// Who owns it and who may use it.
    pub permissions: Permissions,
    /// The user who created it.
    pub creator: u32,
    /// The group of the user who created it.
    pub creator_group: u32,
    /// How many attachments there are, in all processes.
    pub attached: u64,
    /// The process that created it (which may be gone); 0 if it is in another pid namespace.
    pub creator_pid: i32,
    /// The process that attached or detached it last; 0 if none did yet.
    pub last_pid: i32,
    /// When it was attached last, to the second.
    pub attached_at: Option<SystemTime>,
    /// When it was detached last.
    pub detached_at: Option<SystemTime>,
    /// When it was created, or its permissions changed.
    pub changed_at: Option<SystemTime>,
    /// Whether it has been removed, and lives only until the last one detaches it (`SHM_DEST`).
    pub removed: bool,
    /// Whether it is kept from being swapped out (`SHM_LOCKED`).
    pub locked: bool,
}

const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;

impl From<&libc::shmid_ds> for Stat {
    fn from(data: &libc::shmid_ds) -> Stat {
        let perm = &data.shm_perm;
        let bits = u32::from(perm.mode);
        // 0 is "never".
        let time = |seconds: libc::time_t| {
            let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        };
        Stat {
            key: Key::new(perm.__key),
            size: data.shm_segsz as u64,
            permissions: Permissions { owner: perm.uid, group: perm.gid, mode: bits & 0o777 },
            creator: perm.cuid,
            creator_group: perm.cgid,
            attached: data.shm_nattch,
            creator_pid: data.shm_cpid,
            last_pid: data.shm_lpid,
            attached_at: time(data.shm_atime),
            detached_at: time(data.shm_dtime),
            changed_at: time(data.shm_ctime),
            removed: bits & SHM_DEST != 0,
            locked: bits & SHM_LOCKED != 0,
        }
    }
}

impl From<Segment> for Which {
    fn from(segment: Segment) -> Which {
        Which::Id(segment.id)
    }
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;

    /// A key that no other test and no other run of it has.
    fn key(number: u8) -> Key {
        Key::new(i32::from_ne_bytes((std::process::id() << 8 | u32::from(number)).to_ne_bytes()))
    }

    #[test]
    fn a_key_is_found_until_its_segment_is_removed() {
        let key = key(1);
        let segment =
            Segment::create(key, &Create { mode: 0o640, ..Create::new(5000) }).unwrap().remove_on_drop();
        assert_eq!(Segment::open(key, 5000).unwrap(), *segment);
        assert_eq!(Segment::open(key, 0).unwrap(), *segment);
        let stat = segment.stat().unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!((stat.key, stat.size, stat.permissions.mode), (key, 5000, 0o640));
        assert_eq!((stat.creator, stat.creator_pid), (rustix::process::getuid().as_raw(), me));
        assert_eq!((stat.attached, stat.last_pid, stat.attached_at), (0, 0, None));
        assert!(stat.changed_at.is_some() && !stat.removed && !stat.locked);
        let error = Segment::create(key, &Create::new(1)).unwrap_err();
        assert!(matches!(error, SysvError::Exists { .. }), "{error:?}");
        let shared = Segment::create(key, &Create { exclusive: false, ..Create::new(1) }).unwrap();
        assert_eq!(shared, *segment);
        drop(segment);
        assert!(matches!(Segment::open(key, 0), Err(SysvError::NoKey { .. })));
        assert!(matches!(shared.stat(), Err(SysvError::NoId { .. })));
    }

    #[test]
    fn one_that_is_removed_lives_until_it_is_detached() {
        let segment = Segment::create(key(2), &Create::new(1)).unwrap().remove_on_drop();
        let memory = segment.attach().unwrap();
        let owner = segment;
        let segment = *owner;
        owner.remove().unwrap();
        let stat = segment.stat().unwrap();
        assert_eq!((stat.removed, stat.key, stat.attached), (true, Key::PRIVATE, 1));
        assert!(stat.attached_at.is_some());
        assert_eq!(stat.last_pid, i32::try_from(std::process::id()).unwrap());
        drop(memory);
        assert!(matches!(segment.stat(), Err(SysvError::NoId { .. } | SysvError::Removed { .. })));
    }

    #[test]
    fn permissions_can_be_changed() {
        let segment = Segment::create(Key::PRIVATE, &Create::new(1)).unwrap().remove_on_drop();
        let stat = segment.stat().unwrap();
        segment.set_permissions(Permissions { mode: 0o444, ..stat.permissions }).unwrap();
        let changed = segment.stat().unwrap();
        assert_eq!(changed.permissions, Permissions { mode: 0o444, ..stat.permissions });
        let error = segment.set_permissions(Permissions { mode: 0o1000, ..stat.permissions }).unwrap_err();
        assert!(matches!(error, SysvError::Mode { mode: 0o1000 }), "{error:?}");
    }

    #[test]
    fn what_cannot_be_is_explained() {
        let key = key(3);
        let segment = Segment::create(key, &Create::new(100)).unwrap().remove_on_drop();
        let error = Segment::open(key, 101).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the segment with key {key} has 100 bytes, and 101 were asked for: a segment never grows, so ask for less or \
                 for 0 (as it is), or remove it and create a larger one"
            )
        );
        drop(segment);
        assert!(matches!(Segment::create(key, &Create::new(0)), Err(SysvError::Empty)));
        assert!(matches!(Segment::open(Key::PRIVATE, 0), Err(SysvError::Private)));
        let error = Segment::create(key, &Create::new(u64::MAX)).unwrap_err();
        assert!(matches!(error, SysvError::BeyondLimit { size: u64::MAX, .. }), "{error:?}");
        let odd = Create { mode: 0o1666, ..Create::new(1) };
        assert!(matches!(Segment::create(key, &odd), Err(SysvError::Mode { mode: 0o1666 })));
        let huge = Create { huge: Huge::of(1 << 50), ..Create::new(1) };
        let error = Segment::create(key, &huge).unwrap_err();
        assert!(matches!(error, SysvError::NoHugeSize { .. }), "{error:?}");
        assert!(matches!(Segment::from_id(-1).stat(), Err(SysvError::NoId { id: -1, .. })));
        assert!(matches!(Segment::from_id(-1).attach(), Err(SysvError::NoId { id: -1, .. })));
    }

    #[test]
    fn huge_pages_have_sizes_that_are_powers_of_two() {
        for size in [0, 1, 3, 1 << 63] {
            assert_eq!(Huge::of(size), None, "{size}");
        }
        assert_eq!(Huge::of(2 << 20).unwrap().flags(), libc::SHM_HUGETLB | 21 << 26);
        assert_eq!(Huge::system().flags(), libc::SHM_HUGETLB);
        assert_eq!((Huge::of(1 << 21).unwrap().bytes(), Huge::system().bytes()), (1 << 21, 0));
    }
}
