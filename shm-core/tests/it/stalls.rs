//! Files whose owner never answers: everything returns at once, and nobody is asked anything.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use rustix::fs::OFlags;
use rustix::io::Errno;
use shm_core::deliver::deliver;
use shm_core::mapping::{Guarded, MapError, Mapping};
use shm_core::own::OwnMemory;
use shm_core::peer::{PeerError, PeerFd};
use shm_core::pread::{PreadError, Reader};
use shm_core::seals::Seals;
use shm_core::verdict::{self, Examined, Kind, Unsealed, Unusable, Verdict};
use shm_core::{closer, fdpass};

use crate::fuse::{FLUSH, READ, unmount};
use crate::memory;
use crate::peer::Peer;
use crate::skip;

/// A process that owns a FUSE mount; it dies and the mount goes when this is dropped.
struct Owner {
    peer: Peer,
    dir: tempfile::TempDir,
}

impl Owner {
    fn tell(&self, request: &str) -> Result<u64, Errno> {
        self.peer.tell(request)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // If it is in our namespace. The directory is removed after that.
        unmount(self.dir.path());
    }
}

/// An owner with a FUSE mount of its own, in our mount namespace or another; `None` where that is not possible.
fn owner(test: &str, own_namespace: bool) -> Option<Owner> {
    let root = rustix::process::getuid().is_root();
    let wrappers: &[&[&str]] = match (own_namespace, root) {
        (false, _) => &[&[]],
        (true, true) => &[&["unshare", "-m"], &["unshare", "-Urm"]],
        (true, false) => &[&["unshare", "-Urm"]],
    };
    let mut errno = Errno::PERM;
    for wrapper in wrappers {
        let (peer, dir) = (Peer::start_under(wrapper), tempfile::tempdir().unwrap());
        match peer.tell(&format!("fuse mount {}", dir.path().display())) {
            Ok(_) => return Some(Owner { peer, dir }),
            Err(error) => errno = error,
        }
    }
    skip(test, format_args!("cannot mount FUSE: {errno}"));
    None
}

/// A file of that owner, opened while it still answers.
fn file(owner: &Owner, name: &str) -> Stranger {
    owner.tell(&format!("fuse open {name}")).unwrap();
    Stranger(Some(owner.peer.fetch()))
}

/// Gives the client a view of a file of that owner, and lets go of it while the owner still answers.
fn view(client: &Peer, owner: &Owner) {
    let mut source = file(owner, "source");
    client.ask(&source, "view").unwrap();
    drop(source.0.take());
}

/// An fd that a test must not close itself, not even when it fails.
struct Stranger(Option<OwnedFd>);

impl AsFd for Stranger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_ref().unwrap().as_fd()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        if let Some(fd) = self.0.take() {
            closer::close_elsewhere(fd);
        }
    }
}

fn remote(file_system: Option<&str>) -> Examined {
    let why = Unusable::Remote { file_system: file_system.map(str::to_owned) };
    Examined {
        verdict: Verdict::Unusable { why },
        seals: None,
        file_size: None,
        kind: Kind::Remote,
        adopted: false,
    }
}

/// What is said to be behind an fd when it is to be opened through `/proc`.
fn opened_anew(fd: &Stranger) -> Kind {
    match PeerFd::ours(fd).open() {
        Err(PeerError::NotFile { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_on_fuse_is_refused_without_asking_its_owner() {
    let Some(owner) = owner("a file on FUSE", false) else { return };
    let file = file(&owner, "pool");
    owner.tell("fuse silence").unwrap();
    let fuse = remote(Some("fuse"));
    assert_eq!(verdict::examine(file.as_fd(), 4096), fuse);
    assert_eq!(verdict::adopt(file.as_fd(), 4096), fuse);
    let why = Unusable::Remote { file_system: Some("fuse".to_owned()) };
    assert_eq!(
        why.to_string(),
        "a file on fuse, which is not known to be local and could stall its readers: pass a memfd"
    );
    match Mapping::<Guarded>::new(file.as_fd(), 4096) {
        Err(MapError::Unusable { why: found }) => assert_eq!(found, why),
        other => panic!("{other:?}"),
    }
    match Reader::open(file.as_fd(), 4096) {
        Err(PreadError::Unusable { why: found }) => assert_eq!(found, why),
        other => panic!("{other:?}"),
    }
    assert_eq!(opened_anew(&file), Kind::Remote);
    // Lazily unmounted, it is in no mount table; its number must not vouch for anything.
    owner.tell("fuse detach").unwrap();
    assert_eq!(verdict::examine(file.as_fd(), 4096), remote(None));
    assert_eq!(opened_anew(&file), Kind::Remote);
    assert_eq!(owner.tell("fuse pending"), Ok(0));

    // Closing it does ask the owner, and does so elsewhere: it is asked, and we got here.
    drop(file);
    assert_eq!(owner.tell("fuse asked"), Ok(FLUSH.into()));
    drop(owner);
}

#[test]
fn a_mount_of_another_namespace_is_refused_whatever_its_files_are_called() {
    let Some(owner) = owner("FUSE in another mount namespace", true) else { return };
    let names = ["pool", "memfd:pool", "dmabuf:pool", "pipe:[1]", "socket:[1]", "anon_inode:[eventfd]"];
    let files: Vec<Stranger> = names.iter().map(|name| file(&owner, name)).collect();
    owner.tell("fuse silence").unwrap();
    for file in &files {
        assert_eq!(verdict::examine(file.as_fd(), 1), remote(None));
    }
    assert_eq!(owner.tell("fuse pending"), Ok(0));
    drop(files);
    for _ in names {
        assert_eq!(owner.tell("fuse asked"), Ok(FLUSH.into()));
    }
}

#[test]
fn a_mount_that_is_gone_does_not_vouch_for_one_that_got_its_number() {
    let test = "a mount number that is used again";
    let dir = tempfile::tempdir().unwrap();
    let path = std::ffi::CString::new(dir.path().to_str().unwrap()).unwrap();
    // SAFETY: C strings that live through the call.
    let mounted = unsafe { libc::mount(c"none".as_ptr(), path.as_ptr(), c"ramfs".as_ptr(), 0, ptr::null()) };
    if mounted != 0 {
        return skip(test, std::io::Error::last_os_error());
    }
    let local =
        File::options().create_new(true).read(true).write(true).open(dir.path().join("file")).unwrap();
    local.set_len(4096).unwrap();
    // A file without seals on a local file system: now the table of mounts is known.
    let verdict = verdict::examine(local.as_fd(), 4096).verdict;
    assert_eq!(verdict, Verdict::Unsealed { why: Unsealed::Disk { file_system: "ramfs".to_owned() } });
    let number = mount_number(&local);
    drop(local);
    unmount(dir.path());
    let Some(owner) = owner(test, false) else { return };
    let file = file(&owner, "pool");
    if mount_number(&file) != number {
        return skip(test, "the kernel has given another number");
    }
    owner.tell("fuse silence").unwrap();
    assert_eq!(verdict::examine(file.as_fd(), 4096), remote(Some("fuse")));
    assert_eq!(owner.tell("fuse pending"), Ok(0));
}

fn mount_number(fd: impl AsFd) -> String {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).unwrap();
    info.lines().find(|line| line.starts_with("mnt_id:")).unwrap().to_owned()
}

#[test]
fn refused_fds_of_a_message_are_closed_elsewhere() {
    let Some(owner) = owner("FUSE files in a message", true) else { return };
    let files = [file(&owner, "a"), file(&owner, "b")];
    let (ours, theirs) = UnixStream::pair().unwrap();
    fdpass::send(&theirs, b"x", &[files[0].as_fd(), files[1].as_fd()]).unwrap();
    drop(files);
    owner.tell("fuse silence").unwrap();
    let error = fdpass::recv(&ours, &mut [0], 1).unwrap_err();
    assert!(matches!(error, fdpass::FdError::TooMany { count: 2, max: 1 }), "{error:?}");
    assert_eq!(owner.tell("fuse asked"), Ok(FLUSH.into()));
    assert_eq!(owner.tell("fuse asked"), Ok(FLUSH.into()));
}

#[test]
fn a_client_that_locks_its_memfd_cannot_stall_us() {
    let Some(owner) = owner("memory that a client keeps locked", true) else { return };
    let client = Peer::start();
    view(&client, &owner);
    owner.tell("fuse silence").unwrap();
    let pool = memory(1 << 16, Seals::empty());
    client.ask(&pool, "hold").unwrap();
    assert_eq!(owner.tell("fuse asked"), Ok(READ.into()));

    // The lock of the inode is taken, for good. Examining, mapping, reading do not need it.
    let unsealed = Verdict::Unsealed { why: Unsealed::ShrinkMissing };
    assert_eq!(verdict::examine(pool.as_fd(), 4096).verdict, unsealed);
    let mapping = Mapping::<Guarded>::new(pool.as_fd(), 4096).unwrap();
    assert_eq!(mapping.copy_to(0, &mut [0; 4096]), Ok(()));
    Reader::open(pool.as_fd(), 4096).unwrap().read_at(0, &mut [0; 4096]).unwrap();
    // Nor does writing there, the way it is done here.
    let mut parcel = OwnMemory::create("parcel", 4096, Some(Seals::SHRINK)).unwrap();
    parcel.write_at(0, &[7; 4096]).unwrap();
    deliver(&parcel, pool.as_fd(), 4096).unwrap();
    let mut copy = [0; 4096];
    Mapping::<Guarded>::new(pool.as_fd(), 8192).unwrap().copy_to(4096, &mut copy).unwrap();
    assert_eq!(copy, [7; 4096]);
    // Adding a seal does, and is given up.
    let adopted = verdict::adopt(pool.as_fd(), 4096);
    assert_eq!(adopted.verdict, Verdict::Unusable { why: Unusable::Locked });
    assert!(!adopted.adopted);
    // Others are adopted all the same.
    let other = memory(4096, Seals::empty());
    assert_eq!(verdict::adopt(other.as_fd(), 4096).verdict, Verdict::Sealed);
    drop(owner);
}

#[test]
fn a_client_that_locks_its_disk_file_cannot_stall_a_reader() {
    let Some(owner) = owner("a disk file that a client keeps locked", true) else { return };
    let Some(disk) = disk_file("a disk file that a client keeps locked") else { return };
    let client = Peer::start();
    view(&client, &owner);
    owner.tell("fuse silence").unwrap();
    let reader = Reader::open(disk.as_fd(), 4096).unwrap();
    client.ask(&disk, "hold").unwrap();
    assert_eq!(owner.tell("fuse asked"), Ok(READ.into()));
    // The client may turn what it shares with us into something that needs the lock. Ours is not shared.
    rustix::fs::fcntl_setfl(&disk, OFlags::RDWR | OFlags::DIRECT).unwrap();
    assert_eq!(reader.read_at(0, &mut [0; 4096]).unwrap(), 4096);
    assert_eq!(Reader::open(disk.as_fd(), 4096).unwrap().read_at(0, &mut [0; 4096]).unwrap(), 4096);
    drop(owner);
}

#[test]
fn an_epoll_instance_whose_owner_holds_it_is_refused_at_once() {
    let Some(owner) = owner("an epoll instance that a client keeps locked", true) else { return };
    let client = Peer::start();
    view(&client, &owner);
    owner.tell("fuse silence").unwrap();
    client.tell("epoll").unwrap();
    assert_eq!(owner.tell("fuse asked"), Ok(READ.into()));
    let epoll = Stranger(Some(client.fetch()));
    let examined = verdict::examine(epoll.as_fd(), 4096);
    assert_eq!(examined.verdict, Verdict::Unusable { why: Unusable::NoMemory });
    assert_eq!(examined.kind, Kind::Other);
    drop(owner);
}

/// A file on a disk known to be local, 64 KiB.
pub fn disk_file(test: &str) -> Option<File> {
    for dir in [std::env::temp_dir(), std::env::current_dir().unwrap(), "/var/tmp".into()] {
        let Ok(file) = tempfile::tempfile_in(dir) else { continue };
        file.set_len(1 << 16).unwrap();
        if verdict::examine(file.as_fd(), 1).kind == Kind::Disk {
            return Some(file);
        }
    }
    skip(test, "no writable directory on a file system that is known to be local");
    None
}

/// A client's mapping of a FUSE file: memory that its owner may never provide.
pub struct View {
    start: usize,
}

const VIEW: usize = 1 << 16;

impl View {
    pub fn of(fd: BorrowedFd<'_>) -> View {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, for as long as this process lives.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), VIEW, access, libc::MAP_PRIVATE, fd.as_raw_fd(), 0) };
        assert_ne!(start, libc::MAP_FAILED);
        View { start: start.addr() }
    }

    /// Writes it to a file, on a thread that does not come back. The kernel holds the lock of the inode meanwhile.
    pub fn write_to(self, file: OwnedFd) {
        std::thread::spawn(move || {
            // SAFETY: the kernel reads mapped memory, or fails.
            unsafe { libc::pwrite(file.as_raw_fd(), ptr::without_provenance(self.start), VIEW, 0) };
        });
    }

    /// Makes an epoll instance wait for an event that is there, and write it into this memory: the kernel holds the lock of
    /// the instance meanwhile.
    pub fn hold_epoll(self) -> OwnedFd {
        use rustix::event::epoll;
        let instance = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let (ready, _peer) = UnixStream::pair().unwrap();
        epoll::add(&instance, &ready, epoll::EventData::new_u64(0), epoll::EventFlags::OUT).unwrap();
        let held = instance.as_fd().try_clone_to_owned().unwrap();
        std::thread::spawn(move || {
            // SAFETY: the kernel writes into mapped memory, or fails.
            unsafe { libc::epoll_wait(held.as_raw_fd(), ptr::without_provenance_mut(self.start), 1, -1) };
            drop((ready, _peer));
        });
        instance
    }
}
