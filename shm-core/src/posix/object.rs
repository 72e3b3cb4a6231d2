//! Objects: creating, opening, mapping and unlinking them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags, Stat, fallocate, fstat, ftruncate};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use rustix::shm;

use super::{Name, PosixError};
use crate::own::OwnMemory;

/// How to create an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its size in bytes; at least 1. All zeros.
    pub size: u64,
    /// Who may open it: permission bits as of a file (`0o600`). Those of the umask are taken away.
    pub mode: u32,
    /// Whether one that exists is an error (`O_EXCL`). Without it one that has the name is taken with its mode and content, and
    /// made longer if it is shorter.
    pub exclusive: bool,
    /// Whether all of its pages are provided now, so that a full `/dev/shm` is an error here and not a `SIGBUS` when
    /// they are used.
    pub reserve: bool,
}

impl Create {
    /// `size` bytes for this user alone (mode 0600); one that exists is an error, and its pages are provided when they are
    /// used.
    pub const fn new(size: u64) -> Create {
        Create { size, mode: 0o600, exclusive: true, reserve: false }
    }
}

/// An open object of POSIX shared memory: a file, as good as any memfd but for the seals.
#[derive(Debug)]
pub struct Object {
    name: Name,
    fd: OwnedFd,
}

/// How often creating or opening is tried when somebody else creates and unlinks the name at the same time.
const TRIES: u32 = 100;

impl Object {
    /// Creates one, `shm_open(3)` and `ftruncate(2)`. The name stays until somebody unlinks it, or the system shuts
    /// down: see [`Object::unlink_on_drop`].
    ///
    /// Between the two calls another process can open it and find 0 bytes ([`PosixError::NoBytes`]).
    ///
    /// # Errors
    ///
    /// [`PosixError`]. An object that was made for this is gone then.
    pub fn create(name: &Name, create: &Create) -> Result<Object, PosixError> {
        if create.mode > 0o777 {
            return Err(PosixError::Mode { mode: create.mode });
        }
        if create.size == 0 {
            return Err(PosixError::Empty);
        }
        let mode = Mode::from_raw_mode(create.mode);
        let mut tries = 0;
        loop {
            match open(name, shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR, mode) {
                Ok(fd) => {
                    let owned = OwnedName::of(name, &fd);
                    let object = Object { name: name.clone(), fd };
                    object.grow(create)?;
                    owned.keep();
                    return Ok(object);
                }
                Err(Errno::EXIST) if !create.exclusive => {}
                Err(error) => return Err(PosixError::from_open(name, "create", error)),
            }
            tries += 1;
            match Object::open(name) {
                Ok(object) => {
                    if object.size()? < create.size {
                        object.grow(create)?;
                    }
                    return Ok(object);
                }
                // Unlinked in between.
                Err(PosixError::NoSuch { .. }) if tries < TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes it as long as it was asked to be.
    fn grow(&self, create: &Create) -> Result<(), PosixError> {
        let size = create.size;
        ftruncate(&self.fd, size).map_err(|error| PosixError::from_size(&self.name, size, error))?;
        if create.reserve {
            fallocate(&self.fd, FallocateFlags::empty(), 0, size)
                .map_err(|error| PosixError::from_size(&self.name, size, error))?;
        }
        Ok(())
    }

    /// Opens one to read and write.
    ///
    /// # Errors
    ///
    /// [`PosixError::NoSuch`], [`PosixError::Forbidden`], [`PosixError::NotMemory`], [`PosixError::Open`].
    pub fn open(name: &Name) -> Result<Object, PosixError> {
        Object::open_with(name, "open for writing", shm::OFlags::RDWR)
    }

    /// Opens one to read only. It cannot be mapped to write then; read it with [`crate::mapping`] or [`crate::pread`].
    ///
    /// # Errors
    ///
    /// As [`Object::open`].
    pub fn open_read_only(name: &Name) -> Result<Object, PosixError> {
        Object::open_with(name, "open", shm::OFlags::RDONLY)
    }

    fn open_with(name: &Name, wish: &'static str, flags: shm::OFlags) -> Result<Object, PosixError> {
        let fd =
            open(name, flags, Mode::empty()).map_err(|error| PosixError::from_open(name, wish, error))?;
        let object = Object { name: name.clone(), fd };
        match FileType::from_raw_mode(object.stat()?.st_mode) {
            FileType::RegularFile => Ok(object),
            _ => Err(PosixError::NotMemory { name: name.clone(), source: None }),
        }
    }

    fn stat(&self) -> Result<Stat, PosixError> {
        fstat(&self.fd).map_err(|error| PosixError::Open {
            name: self.name.clone(),
            wish: "ask about",
            source: error.into(),
        })
    }

    /// Its name, under which it may be found no longer.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its size in bytes, which anybody who has it open to write can change at any time.
    ///
    /// # Errors
    ///
    /// [`PosixError::Open`], which the kernel has no reason to give.
    pub fn size(&self) -> Result<u64, PosixError> {
        Ok(self.stat()?.st_size.cast_unsigned())
    }

    /// The file, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Maps all of it, as long as it is now, to read and write.
    ///
    /// # Errors
    ///
    /// [`PosixError::NoBytes`]: its creator has not given it a size yet. [`PosixError::Map`].
    pub fn map(self) -> Result<OwnMemory, PosixError> {
        let size = self.size()?;
        if size == 0 {
            return Err(PosixError::NoBytes { name: self.name });
        }
        OwnMemory::map_shared(self.fd, size).map_err(|source| PosixError::Map { name: self.name, source })
    }

    /// As [`Object::map`], only the first `size` bytes.
    ///
    /// # Errors
    ///
    /// As [`Object::map`]; [`PosixError::Smaller`], since what is beyond its end could not be touched.
    pub fn map_first(self, size: u64) -> Result<OwnMemory, PosixError> {
        let has = self.size()?;
        match size {
            0 => Err(PosixError::Empty),
            size if size > has => Err(PosixError::Smaller { name: self.name, size, has }),
            size => OwnMemory::map_shared(self.fd, size)
                .map_err(|source| PosixError::Map { name: self.name, source }),
        }
    }

    /// Makes this process responsible for unlinking the name.
    pub fn unlink_on_drop(&self) -> OwnedName {
        OwnedName::of(&self.name, &self.fd)
    }
}

impl AsFd for Object {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// `shm_open`, but, as in the C library, following no link that somebody may have planted, and waiting for no pipe.
fn open(name: &Name, flags: shm::OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let more = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    shm::open(name.as_str(), flags | shm::OFlags::from_bits_retain(more), mode)
}

/// Unlinks a name, `shm_unlink(3)`: nobody finds the object by it any more, and the memory lives until the last one who has it
/// open or mapped lets go of it.
///
/// # Errors
///
/// [`PosixError::NoSuch`], [`PosixError::Forbidden`] (`/dev/shm` lets only the owner of an object unlink it).
pub fn unlink(name: &Name) -> Result<(), PosixError> {
    shm::unlink(name.as_str()).map_err(|error| PosixError::from_open(name, "unlink", error))
}

/// A name that is unlinked when this value is dropped: in the process that made the value, and not in a child that it has forked;
/// and not if somebody else has unlinked it meanwhile and given it to another object.
///
/// A process that is killed drops nothing: the name, and with it the memory, stays until somebody unlinks it. Who wants to be
/// safe from that unlinks it as soon as everybody has it open ([`OwnedName::unlink`]): from then on it is as an
/// anonymous memfd, and goes with its last user, however that ends.
#[derive(Debug)]
pub struct OwnedName {
    name: Name,
    /// Device and inode.
    file: Option<(u64, u64)>,
    process: Pid,
}

impl OwnedName {
    fn of(name: &Name, fd: &OwnedFd) -> OwnedName {
        let file = fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino));
        OwnedName { name: name.clone(), file, process: getpid() }
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Leaves it there after all.
    pub fn keep(mut self) -> Name {
        let name = self.name.clone();
        // Of no file: nothing is unlinked.
        self.file = None;
        name
    }

    /// Unlinks it now.
    ///
    /// # Errors
    ///
    /// As [`unlink`].
    pub fn unlink(self) -> Result<(), PosixError> {
        unlink(&self.keep())
    }
}

impl Drop for OwnedName {
    fn drop(&mut self) {
        let Some(file) = self.file.filter(|_| getpid() == self.process) else { return };
        let path = format!("/dev/shm/{}", self.name.file_name());
        let found = rustix::fs::lstat(path).ok().map(|stat| (stat.st_dev, stat.st_ino));
        if found != Some(file) {
            return;
        }
        match unlink(&self.name) {
            Ok(()) | Err(PosixError::NoSuch { .. }) => {}
            Err(error) => tracing::warn!(%error, "a name in /dev/shm is left behind"),
        }
    }
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::shared::Shared;

    /// A name that no other test and no other run of it has.
    fn name(what: &str) -> Name {
        Name::new(format!("/selkie-test-{}-{what}", std::process::id())).unwrap()
    }

    #[test]
    fn it_is_found_until_it_is_unlinked_and_lives_until_it_is_unmapped() {
        let name = name("life");
        let object = Object::create(&name, &Create::new(5000)).unwrap();
        let owned = object.unlink_on_drop();
        let error = Object::create(&name, &Create::new(1)).unwrap_err();
        assert!(matches!(error, PosixError::Exists { .. }), "{error:?}");
        let first = object.map().unwrap();
        assert!(first.can_shrink());
        let second = Object::open(&name).unwrap().map().unwrap();
        drop(owned);
        assert!(matches!(Object::open(&name), Err(PosixError::NoSuch { .. })));
        assert!(matches!(unlink(&name), Err(PosixError::NoSuch { .. })));
        Shared::write_at(&first, 4995, b"hello").unwrap();
        let mut read = [0; 5];
        Shared::read_at(&second, 4995, &mut read).unwrap();
        assert_eq!(&read, b"hello");
    }

    #[test]
    fn one_that_exists_is_taken_if_that_is_wanted() {
        let name = name("taken");
        let shared = Create { exclusive: false, mode: 0o600, ..Create::new(100) };
        let object = Object::create(&name, &shared).unwrap();
        let _owned = object.unlink_on_drop();
        for (asked, size) in [(50, 100), (200, 200)] {
            let same = Object::create(&name, &Create { size: asked, ..shared }).unwrap();
            assert_eq!(same.size().unwrap(), size);
        }
        assert_eq!(object.size().unwrap(), 200);
    }

    #[test]
    fn what_cannot_be_is_explained_and_leaves_nothing() {
        let name = name("not");
        assert!(matches!(Object::create(&name, &Create::new(0)), Err(PosixError::Empty)));
        let error = Object::create(&name, &Create::new(u64::MAX)).unwrap_err();
        assert!(matches!(error, PosixError::TooLarge { size: u64::MAX, .. }), "{error:?}");
        let all = Create { reserve: true, ..Create::new(1 << 60) };
        let error = Object::create(&name, &all).unwrap_err();
        assert!(matches!(error, PosixError::Full { .. }), "{error:?}");
        let odd = Create { mode: 0o1777, ..Create::new(1) };
        assert!(matches!(Object::create(&name, &odd), Err(PosixError::Mode { mode: 0o1777 })));
        assert!(matches!(Object::open(&name), Err(PosixError::NoSuch { .. })));
        let object = Object::create(&name, &Create::new(10)).unwrap();
        let _owned = object.unlink_on_drop();
        let error = Object::open(&name).unwrap().map_first(11).unwrap_err();
        assert!(matches!(error, PosixError::Smaller { size: 11, has: 10, .. }), "{error:?}");
        ftruncate(&object, 0).unwrap();
        assert!(matches!(object.map(), Err(PosixError::NoBytes { .. })));
    }

    #[test]
    fn what_is_no_memory_is_refused() {
        let (link, pipe) = (name("link"), name("pipe"));
        let path = |name: &Name| format!("/dev/shm{name}");
        std::os::unix::fs::symlink("/dev/zero", path(&link)).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path(&pipe), Mode::RUSR | Mode::WUSR).unwrap();
        for name in [&link, &pipe] {
            for result in [Object::open(name), Object::open_read_only(name)] {
                assert!(matches!(result, Err(PosixError::NotMemory { .. })), "{result:?}");
            }
            unlink(name).unwrap();
        }
    }

    #[test]
    fn a_name_that_passed_to_another_object_is_left_alone() {
        let name = name("passed");
        let first = Object::create(&name, &Create::new(1)).unwrap();
        let owned = first.unlink_on_drop();
        unlink(&name).unwrap();
        let second = Object::create(&name, &Create::new(2)).unwrap();
        drop(owned);
        assert_eq!(Object::open(&name).unwrap().size().unwrap(), 2);
        second.unlink_on_drop().unlink().unwrap();
        assert!(matches!(Object::open(&name), Err(PosixError::NoSuch { .. })));
    }
}
