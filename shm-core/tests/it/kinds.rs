//! What each kind of file is, which seals it has, whether the missing one can be added, and the verdict.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::io::Errno;
use shm_core::mapping::{Guarded, MapError, Mapping, Sealed};
use shm_core::seals::{self, SealError, Seals};
use shm_core::verdict::{self, Examined, Kind, Unsealed, Unusable, Verdict};
use shm_core::{memfd, seals::Seals as S};

use crate::peer::Peer;
use crate::stalls::disk_file;
use crate::{memory, page, skip};

fn unsealed(why: Unsealed) -> Verdict {
    Verdict::Unsealed { why }
}

fn unusable(why: Unusable) -> Verdict {
    Verdict::Unusable { why }
}

/// A second open file description of the same file.
pub fn reopen(fd: impl AsRawFd, flags: OFlags) -> OwnedFd {
    open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Checks one row of the table: the seals, what adding SHRINK says, and the verdicts before and after adopting.
#[track_caller]
fn row(fd: impl AsFd, kind: Kind, seals: Option<Seals>, add: Option<Errno>, before: Verdict, after: Verdict) {
    let fd = fd.as_fd();
    let mask = |seals: Seals| seals.difference(if seals == S::EXEC { S::empty() } else { S::EXEC });
    match (Seals::of(fd), seals) {
        (Ok(found), Some(expected)) => assert_eq!(mask(found), expected),
        (Err(SealError::Get { source }), None) => assert_eq!(source.raw_os_error(), Some(libc::EINVAL)),
        other => panic!("{other:?}"),
    }
    let claimed = page() as u64;
    let examined = verdict::examine(fd, claimed);
    assert_eq!((examined.kind, examined.verdict, examined.adopted), (kind, before, false));
    let adopted = verdict::adopt(fd, claimed);
    let can_be_added = add.is_none() && seals.is_some();
    assert_eq!((adopted.kind, adopted.verdict, adopted.adopted), (kind, after, can_be_added));
    // Adopting has added it by now, if it could be.
    match Seals::add(fd, S::SHRINK) {
        Ok(()) => assert_eq!(add, None),
        Err(SealError::Add { seals, source }) => {
            assert_eq!((seals, source.raw_os_error()), (S::SHRINK, add.map(Errno::raw_os_error)));
        }
        Err(other) => panic!("{other}"),
    }
    match seals::add_shrink(fd) {
        Ok(found) => assert!(found.contains(S::SHRINK)),
        Err(error) => assert!(!seals.unwrap_or_default().contains(S::SHRINK) && add.is_some(), "{error}"),
    }
}

#[test]
fn a_sealable_memfd() {
    let fd = memory(page(), S::empty());
    row(&fd, Kind::Memfd, Some(S::empty()), None, unsealed(Unsealed::ShrinkMissing), Verdict::Sealed);
}

#[test]
fn a_sealable_memfd_that_its_owner_has_mapped() {
    let client = Peer::start();
    let fd = memory(page(), S::empty());
    client.ask(&fd, "map").unwrap();
    row(&fd, Kind::Memfd, Some(S::empty()), None, unsealed(Unsealed::ShrinkMissing), Verdict::Sealed);
    assert_eq!(client.ask(&fd, "truncate 0"), Err(Errno::PERM));
}

#[test]
fn a_memfd_that_was_never_sealable() {
    let fd = memfd::create("selkie-test", page() as u64, None).unwrap();
    let why = || unsealed(Unsealed::NotSealable);
    row(&fd, Kind::Memfd, Some(S::SEAL), Some(Errno::PERM), why(), why());
}

#[test]
fn a_memfd_with_nothing_but_the_exec_seal() {
    let fd = match memfd_create("selkie-test", MemfdFlags::NOEXEC_SEAL | MemfdFlags::CLOEXEC) {
        Ok(fd) => fd,
        Err(error) => return skip("MFD_NOEXEC_SEAL", error),
    };
    rustix::fs::ftruncate(&fd, page() as u64).unwrap();
    row(&fd, Kind::Memfd, Some(S::EXEC), None, unsealed(Unsealed::ShrinkMissing), Verdict::Sealed);
    assert_eq!(Seals::of(&fd).unwrap(), S::EXEC | S::SHRINK);
}

#[test]
fn a_memfd_that_is_sealed() {
    let fd = memory(page(), S::SEAL | S::SHRINK);
    row(&fd, Kind::Memfd, Some(S::SEAL | S::SHRINK), Some(Errno::PERM), Verdict::Sealed, Verdict::Sealed);
}

#[test]
fn a_memfd_that_is_sealed_shut_without_the_seal() {
    let fd = memory(page(), S::SEAL | S::GROW);
    let why = || unsealed(Unsealed::SealedShut { seals: S::SEAL | S::GROW });
    row(&fd, Kind::Memfd, Some(S::SEAL | S::GROW), Some(Errno::PERM), why(), why());
}

#[test]
fn a_sealable_memfd_passed_read_only() {
    let fd = memory(page(), S::empty());
    let fd = reopen(fd.as_fd(), OFlags::RDONLY);
    let why = || unsealed(Unsealed::ReadOnly);
    row(&fd, Kind::Memfd, Some(S::empty()), Some(Errno::PERM), why(), why());
}

#[test]
fn a_sealed_memfd_passed_read_only_or_write_sealed_can_be_mapped() {
    for seals in [S::SHRINK, S::SHRINK | S::WRITE, S::SHRINK | S::FUTURE_WRITE] {
        let fd = memory(page(), seals);
        for fd in [reopen(fd.as_fd(), OFlags::RDONLY), fd] {
            assert_eq!(verdict::examine(fd.as_fd(), 1).verdict, Verdict::Sealed);
            let mapping = Mapping::<Sealed>::new(fd.as_fd(), page() as u64).unwrap();
            let mut byte = [1];
            mapping.copy_to(page() - 1, &mut byte).unwrap();
            assert_eq!(byte, [0]);
        }
    }
}

#[test]
fn files_on_tmpfs() {
    let why = || unsealed(Unsealed::Tmpfs);
    let Ok(named) = tempfile::NamedTempFile::new_in("/dev/shm") else {
        return skip("files on tmpfs", "no writable /dev/shm");
    };
    // POSIX shared memory is such a file; the other has no name at all.
    let unnamed = tempfile::tempfile_in("/dev/shm").unwrap();
    for file in [named.as_file(), &unnamed] {
        file.set_len(page() as u64).unwrap();
        row(file, Kind::Tmpfs, Some(S::SEAL), Some(Errno::PERM), why(), why());
    }
}

#[test]
fn a_file_on_a_disk() {
    let Some(file) = disk_file("a file on a disk") else { return };
    let file_system = match verdict::examine(file.as_fd(), 1).verdict {
        Verdict::Unsealed { why: Unsealed::Disk { file_system } } => file_system,
        other => panic!("{other:?}"),
    };
    let why = || unsealed(Unsealed::Disk { file_system: file_system.clone() });
    row(&file, Kind::Disk, None, Some(Errno::INVAL), why(), why());
    let sentence = format!(
        "file on a disk ({file_system}), which can never be sealed: use memfd_create with MFD_ALLOW_SEALING and add \
         F_SEAL_SHRINK"
    );
    assert_eq!(why().to_string(), sentence);
}

#[test]
fn a_dmabuf() {
    let Some(device) = crate::dmabuf::udmabuf("a dma-buf") else { return };
    let buffer = device.create(&memory(page(), S::SHRINK), 0, page() as u64).unwrap();
    let why = || unusable(Unusable::DmaBuf);
    row(&buffer, Kind::DmaBuf, None, Some(Errno::INVAL), why(), why());
}

#[test]
fn what_is_no_memory() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dir = File::open(dir.path()).unwrap();
    let shm_dir = File::open("/dev/shm").unwrap();
    let zero = File::options().read(true).write(true).open("/dev/zero").unwrap();
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let namespace = File::open("/proc/self/ns/mnt").unwrap();
    let fds: [(OwnedFd, Kind, Unusable, &str); 8] = [
        (reader.into(), Kind::Pipe, Unusable::Pipe, "a pipe, not memory: pass a memfd"),
        (writer.into(), Kind::Pipe, Unusable::Pipe, "a pipe, not memory: pass a memfd"),
        (socket.into(), Kind::Socket, Unusable::Socket, "a socket, not memory: pass a memfd"),
        (dir.into(), Kind::Directory, Unusable::Directory, "a directory, not memory: pass a memfd"),
        (shm_dir.into(), Kind::Directory, Unusable::Directory, "a directory, not memory: pass a memfd"),
        (zero.into(), Kind::CharDevice, Unusable::CharDevice, "a character device, not memory: pass a memfd"),
        (event, Kind::Other, Unusable::NoMemory, "not memory: pass a memfd"),
        (namespace.into(), Kind::Other, Unusable::NoMemory, "not memory: pass a memfd"),
    ];
    for (fd, kind, why, sentence) in fds {
        assert_eq!(why.to_string(), sentence);
        let seals = Seals::of(&fd).ok();
        let expected =
            Examined { verdict: unusable(why.clone()), seals, file_size: None, kind, adopted: false };
        for claimed in [0, 1, 4096, u64::MAX] {
            assert_eq!(verdict::examine(fd.as_fd(), claimed), expected);
            assert_eq!(verdict::adopt(fd.as_fd(), claimed), expected);
        }
        match Mapping::<Guarded>::new(fd.as_fd(), 4096) {
            Err(MapError::Unusable { why: found }) => assert_eq!(found, why),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn fds_that_cannot_be_read_through() {
    let fd = memory(page(), S::SHRINK);
    let write_only = reopen(fd.as_fd(), OFlags::WRONLY);
    let examined = verdict::examine(write_only.as_fd(), 1);
    assert_eq!((examined.verdict, examined.kind), (unusable(Unusable::WriteOnly), Kind::Memfd));
    let path_only = reopen(fd.as_fd(), OFlags::PATH);
    let examined = verdict::examine(path_only.as_fd(), 1);
    assert_eq!((examined.verdict, examined.kind), (unusable(Unusable::PathOnly), Kind::Other));
    assert_eq!((examined.seals, examined.file_size), (None, None));
}

#[test]
fn claims_that_do_not_hold() {
    let sealed = memory(100, S::SHRINK);
    let bare = memory(100, S::empty());
    for fd in [&sealed, &bare] {
        assert_eq!(verdict::examine(fd.as_fd(), 0).verdict, unusable(Unusable::Empty));
        for claimed in [101, i32::MAX as u64, u64::MAX] {
            let why = Unusable::TooShort { claimed, size: 100 };
            assert_eq!(verdict::examine(fd.as_fd(), claimed).verdict, unusable(why));
        }
    }
    assert_eq!(
        verdict::examine(sealed.as_fd(), 101).verdict.to_string(),
        "the file has 100 bytes, fewer than the 101 claimed: ftruncate it before passing it on"
    );
    assert_eq!(verdict::examine(sealed.as_fd(), 100).verdict, Verdict::Sealed);
    // A resize of the pool is asked about like a new one.
    rustix::fs::ftruncate(&sealed, 101).unwrap();
    assert_eq!(verdict::examine(sealed.as_fd(), 101).verdict, Verdict::Sealed);
}

#[test]
fn a_claim_that_no_address_space_holds_is_an_error() {
    let fd = memory(page(), S::SHRINK);
    rustix::fs::ftruncate(&fd, i64::MAX as u64).unwrap();
    assert_eq!(verdict::examine(fd.as_fd(), i64::MAX as u64).verdict, Verdict::Sealed);
    match Mapping::<Sealed>::new(fd.as_fd(), i64::MAX as u64) {
        Err(MapError::Map { source, .. }) => assert_eq!(source.raw_os_error(), Some(libc::ENOMEM)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_sealed_memory_makes_a_sealed_mapping() {
    let fd = memory(page(), S::empty());
    match Mapping::<Sealed>::new(fd.as_fd(), 1) {
        Err(MapError::Unsealed { why }) => {
            assert_eq!(why, Unsealed::ShrinkMissing);
            assert_eq!(
                why.to_string(),
                "memfd without F_SEAL_SHRINK: add F_SEAL_SHRINK with fcntl(F_ADD_SEALS) before wl_shm.create_pool"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(Mapping::<Guarded>::new(fd.as_fd(), 1).unwrap().len(), 1);
    Seals::add(&fd, S::SHRINK).unwrap();
    let sealed = Mapping::<Sealed>::new(fd.as_fd(), 1).unwrap();
    assert_eq!(Mapping::<Guarded>::from(sealed).len(), 1);
}
