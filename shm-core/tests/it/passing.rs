//! Passing fds, and all the ways in which that fails without losing one.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::io::FdFlags;
use shm_core::fdpass::{self, FdError, MAX_FDS};
use shm_core::process;

use crate::peer;

/// Pipes, to tell whether an fd is still open somewhere: reading ends when the last writer is closed.
fn pipes(count: usize) -> (Vec<PipeReader>, Vec<PipeWriter>) {
    (0..count).map(|_| std::io::pipe().unwrap()).unzip()
}

fn borrowed(fds: &[impl AsFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}

/// Waits until nobody has the other ends open.
fn all_closed(readers: Vec<PipeReader>) {
    for mut reader in readers {
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn several_fds_arrive_in_order_and_close_on_exec() {
    for count in [1, 2, 3, 28, MAX_FDS] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (readers, writers) = pipes(count);
        assert_eq!(fdpass::send(&ours, b"hello", &borrowed(&writers)).unwrap(), 5);
        drop(writers);
        let mut bytes = [0; 10];
        let received = fdpass::recv(&theirs, &mut bytes, count).unwrap();
        assert_eq!((received.bytes, &bytes[..5], received.fds.len()), (5, &b"hello"[..], count));
        for (number, (fd, reader)) in received.fds.into_iter().zip(&readers).enumerate() {
            assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
            PipeWriter::from(fd).write_all(&[number as u8]).unwrap();
            let mut byte = [0];
            (&*reader).read_exact(&mut byte).unwrap();
            assert_eq!(byte, [number as u8]);
        }
        all_closed(readers);
    }
}

#[test]
fn too_many_fds_are_refused_and_closed() {
    for (sent, max) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (readers, writers) = pipes(sent);
        fdpass::send(&ours, b"x", &borrowed(&writers)).unwrap();
        drop(writers);
        match fdpass::recv(&theirs, &mut [0], max).unwrap_err() {
            FdError::TooMany { count, max: allowed } => assert_eq!((count, allowed), (sent, max)),
            other => panic!("{other:?}"),
        }
        all_closed(readers);
    }
}

#[test]
fn truncated_control_data_is_refused_and_closed() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (readers, writers) = pipes(20);
    fdpass::send(&ours, b"x", &borrowed(&writers)).unwrap();
    drop(writers);
    match fdpass::recv(&theirs, &mut [0], 3).unwrap_err() {
        // One more than asked for, and perhaps some in the padding.
        FdError::Truncated { count } => assert!((4..=6).contains(&count), "{count}"),
        other => panic!("{other:?}"),
    }
    all_closed(readers);
}

#[test]
fn an_fd_limit_truncates_and_loses_nothing() {
    assert!(peer::run("few-fds").success());
}

/// In a process of its own: receives more fds than it may open.
pub fn few_fds() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (readers, writers) = pipes(5);
    fdpass::send(&ours, b"x", &borrowed(&writers)).unwrap();
    drop(writers);
    let before = process::open_fds().unwrap();
    // The lowest two free numbers are all there is.
    let free: Vec<_> = (0..2).map(|_| rustix::io::fcntl_dupfd_cloexec(&ours, 0).unwrap()).collect();
    let limit = free.iter().map(|fd| fd.as_raw_fd() as u64 + 1).max();
    drop(free);
    let old = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let few = rustix::process::Rlimit { current: limit, maximum: old.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    let error = fdpass::recv(&theirs, &mut [0], 5).unwrap_err();
    assert!(matches!(error, FdError::Truncated { count: 2 }), "{error:?}");
    all_closed(readers);
    rustix::process::setrlimit(rustix::process::Resource::Nofile, old).unwrap();
    assert_eq!(process::open_fds().unwrap(), before - 5);
}

#[test]
fn none_is_an_error_where_one_was_expected() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (&ours).write_all(b"abc").unwrap();
    assert!(matches!(fdpass::recv(&theirs, &mut [0; 9], 1).unwrap_err(), FdError::NoFds { bytes: 3 }));
    (&ours).write_all(b"abc").unwrap();
    let received = fdpass::recv(&theirs, &mut [0; 9], 0).unwrap();
    assert_eq!((received.bytes, received.fds.len()), (3, 0));
    assert!(matches!(fdpass::send(&ours, b"abc", &[]).unwrap_err(), FdError::NoFds { bytes: 3 }));
    assert!(matches!(fdpass::send(&ours, b"", &[ours.as_fd()]).unwrap_err(), FdError::NoBytes));
    assert!(matches!(fdpass::recv(&theirs, &mut [], 1).unwrap_err(), FdError::NoBytes));
    let many = vec![ours.as_fd(); MAX_FDS + 1];
    let error = fdpass::send(&ours, b"x", &many).unwrap_err();
    assert_eq!(error.to_string(), "254 fds in one message, where at most 253 are allowed");
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    assert!(matches!(fdpass::send(&ours, b"x", &[ours.as_fd()]).unwrap_err(), FdError::PeerGone));
    assert!(matches!(fdpass::recv(&ours, &mut [0], 1).unwrap_err(), FdError::PeerGone));
    // Also one that left without reading what it was sent.
    let (ours, theirs) = UnixStream::pair().unwrap();
    fdpass::send(&ours, b"x", &[ours.as_fd()]).unwrap();
    drop(theirs);
    assert!(matches!(fdpass::recv(&ours, &mut [0], 1).unwrap_err(), FdError::PeerGone));
}

#[test]
fn nothing_there_yet_can_be_tried_again() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    match fdpass::recv(&theirs, &mut [0], 1).unwrap_err() {
        FdError::Receive { source } => assert_eq!(source.kind(), std::io::ErrorKind::WouldBlock),
        other => panic!("{other:?}"),
    }
    fdpass::send(&ours, b"x", &[ours.as_fd()]).unwrap();
    assert_eq!(fdpass::recv(&theirs, &mut [0], 1).unwrap().fds.len(), 1);
}
