//! Getting at what another process has open, by its number.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::FdFlags;
use shm_core::dmabuf::DmaBuf;
use shm_core::fdpass;
use shm_core::mechanism::{Mechanism, MechanismError, Memfd, Ticket};
use shm_core::own::OwnMemory;
use shm_core::peer::{PeerError, PeerFd, Tracer, allow_tracer};
use shm_core::seals::Seals;
use shm_core::verdict::{self, Kind};

use crate::conformance::other::Other;
use crate::kinds::reopen;
use crate::{dmabuf, memory, page};

/// Another process with a memfd, and where that is.
fn other_with_a_memfd() -> (Other, PeerFd) {
    let mut other = Other::start();
    match other.tell("create memfd 4096").parse().unwrap() {
        Ticket::Memfd(peer) => (other, peer),
        ticket => panic!("{ticket}"),
    }
}

#[test]
fn opening_makes_a_new_open_file_and_taking_does_not() {
    // Ours, so that its offset can be looked at; the kernel does not care whose it is.
    let mut ours = File::from(memory(page(), Seals::empty()));
    ours.write_all(b"hello").unwrap();
    let peer = PeerFd::ours(&ours);
    for (fd, offset) in [(peer.open().unwrap(), 0), (peer.take().unwrap(), 5)] {
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(File::from(fd).stream_position().unwrap(), offset);
    }
    let mut taken = File::from(peer.take().unwrap());
    taken.seek(SeekFrom::Start(1)).unwrap();
    let mut rest = [0; 4];
    ours.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"ello");
}

#[test]
fn a_read_only_fd_becomes_a_writable_one_by_opening_it() {
    let ours = reopen(memory(page(), Seals::empty()), OFlags::RDONLY);
    let peer = PeerFd::ours(&ours);
    let access = |fd: OwnedFd| fcntl_getfl(fd).unwrap() & OFlags::RWMODE;
    assert_eq!(access(peer.open().unwrap()), OFlags::RDWR);
    assert_eq!(access(peer.open_read_only().unwrap()), OFlags::RDONLY);
    assert_eq!(access(peer.take().unwrap()), OFlags::RDONLY);
}

#[test]
fn the_memory_of_another_process_is_had_both_ways() {
    let (mut other, peer) = other_with_a_memfd();
    other.tell("write 7 hello");
    for fd in [peer.open().unwrap(), peer.take().unwrap()] {
        let memory = OwnMemory::map_shared(fd, 4096).unwrap();
        let mut read = [0; 5];
        memory.read_at(7, &mut read).unwrap();
        assert_eq!(&read, b"hello");
    }
}

#[test]
fn what_is_gone_is_said_to_be() {
    let (mut other, peer) = other_with_a_memfd();
    other.tell("close");
    let gone = format!("process {} has no fd {}: it has closed it", peer.pid, peer.fd);
    for result in [peer.open(), peer.open_read_only(), peer.take()] {
        let error = result.unwrap_err();
        assert!(matches!(error, PeerError::NoFd { .. }), "{error:?}");
        assert_eq!(error.to_string(), gone);
    }
    other.kill();
    let gone = format!("there is no process {}: it has ended, or is in another pid namespace", peer.pid);
    for result in [peer.open(), peer.open_read_only(), peer.take()] {
        let error = result.unwrap_err();
        assert!(matches!(error, PeerError::NoProcess { .. }), "{error:?}");
        assert_eq!(error.to_string(), gone);
    }
    for pid in [0, -1, i32::MIN] {
        assert!(matches!(PeerFd { pid, fd: 0 }.take(), Err(PeerError::NoProcess { .. })), "{pid}");
        assert!(matches!(PeerFd { pid, fd: 0 }.open(), Err(PeerError::NoProcess { .. })), "{pid}");
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    let device = File::open("/dev/zero").unwrap();
    let directory = File::open("/dev/shm").unwrap();
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let all: [(BorrowedFd<'_>, Kind); 5] = [
        (reader.as_fd(), Kind::Pipe),
        (socket.as_fd(), Kind::Socket),
        (device.as_fd(), Kind::CharDevice),
        (directory.as_fd(), Kind::Directory),
        (event.as_fd(), Kind::Other),
    ];
    for (fd, kind) in all {
        let peer = PeerFd::ours(fd);
        match peer.open() {
            Err(PeerError::NotFile { kind: found, .. }) => assert_eq!(found, kind),
            other => panic!("{kind}: {other:?}"),
        }
        // But it can be taken.
        peer.take().unwrap();
    }
    // And the tools see a sentence, not a crash.
    let error = Memfd.open(&Ticket::Memfd(PeerFd::ours(&reader)), 0).unwrap_err();
    assert!(matches!(error, MechanismError::Peer(PeerError::NotFile { .. })), "{error:?}");
    let file = tempfile::tempfile().unwrap();
    let error = Memfd.open(&Ticket::Memfd(PeerFd::ours(&file)), 0).unwrap_err();
    match verdict::examine(file.as_fd(), 0).kind {
        // As in a container, whose root is an overlay.
        Kind::Remote => {
            assert!(matches!(error, MechanismError::Peer(PeerError::NotFile { .. })), "{error:?}")
        }
        _ => assert!(matches!(error, MechanismError::NotMemory), "{error:?}"),
    }
    let empty = memory(0, Seals::empty());
    let error = Memfd.open(&Ticket::Memfd(PeerFd::ours(&empty)), 0).unwrap_err();
    assert!(matches!(error, MechanismError::Empty), "{error:?}");
}

#[test]
fn a_dmabuf_is_taken_and_not_opened() {
    let Some(heap) = dmabuf::heap("a dma-buf of another process") else { return };
    let buffer = heap.allocate(1).unwrap();
    let peer = PeerFd::ours(&buffer);
    match peer.open() {
        Err(PeerError::NotFile { kind, .. }) => assert_eq!(kind, Kind::DmaBuf),
        other => panic!("{other:?}"),
    }
    assert_eq!(DmaBuf::new(peer.take().unwrap()).unwrap().size(), page() as u64);
}

#[test]
fn a_tracer_can_be_named() {
    let yama = std::path::Path::new("/proc/sys/kernel/yama/ptrace_scope").exists();
    let own = i32::try_from(std::process::id()).unwrap();
    for tracer in [Tracer::Process(own), Tracer::Any, Tracer::Nobody] {
        assert_eq!(allow_tracer(tracer).unwrap(), yama, "{tracer:?}");
    }
    for pid in [0, -1] {
        let error = allow_tracer(Tracer::Process(pid)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn several_memfds_go_through_one_socket_at_once() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let count: usize = 10;
    let memories: Vec<OwnMemory> = (0..count)
        .map(|number| {
            let mut memory =
                OwnMemory::create("selkie-test", (number + 1) as u64 * 4096, Some(Seals::SHRINK)).unwrap();
            memory.write_at(number * 4096, &[number as u8 + 1]).unwrap();
            memory
        })
        .collect();
    let fds: Vec<BorrowedFd<'_>> = memories.iter().map(AsFd::as_fd).collect();
    fdpass::send(&ours, b"memory", &fds).unwrap();
    drop(fds);
    drop(memories);
    let received = fdpass::recv(&theirs, &mut [0; 6], count).unwrap();
    assert_eq!((received.bytes, received.fds.len()), (6, count));
    for (number, fd) in received.fds.into_iter().enumerate() {
        let size = rustix::fs::fstat(&fd).unwrap().st_size;
        assert_eq!(size, (number as i64 + 1) * 4096);
        let memory = OwnMemory::map_shared(fd, size as u64).unwrap();
        let mut last = [0];
        memory.read_at(number * 4096, &mut last).unwrap();
        assert_eq!(last, [number as u8 + 1]);
    }
}
