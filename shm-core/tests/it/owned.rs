//! Memory of our own, seen by a peer.

use std::os::fd::AsFd;

use rustix::io::Errno;
use shm_core::mapping::{Mapping, Sealed};
use shm_core::own::{OwnError, OwnMemory};
use shm_core::seals::Seals;

use crate::page;
use crate::peer::Peer;

#[test]
fn what_is_written_is_seen_by_the_peer_and_the_other_way_round() {
    let peer = Peer::start();
    let mut memory = OwnMemory::create("selkie-own", 100, Some(Seals::SHRINK)).unwrap();
    assert_eq!(memory.len(), 100);
    memory.write_at(98, b"yz").unwrap();
    memory.write_row(1, &[0x0403_0201_u32.to_le(), u32::MAX]).unwrap();
    let theirs = Mapping::<Sealed>::new(memory.fd(), 100).unwrap();
    let mut copy = [0; 100];
    theirs.copy_to(0, &mut copy).unwrap();
    assert_eq!((&copy[..10], &copy[98..]), (&[0, 1, 2, 3, 4, 255, 255, 255, 255, 0][..], &b"yz"[..]));
    peer.ask(&memory, "write 50 hello").unwrap();
    let mut copy = [0; 5];
    memory.read_at(50, &mut copy).unwrap();
    assert_eq!(&copy, b"hello");
}

#[test]
fn rows_are_drawn_where_they_belong() {
    let mut memory = OwnMemory::create("selkie-own", 100, Some(Seals::SHRINK)).unwrap();
    memory
        .with_rows(4, 40, 2, 3, |y, row| {
            // The buffer keeps what the row before has left.
            assert_eq!(row[1], if y == 0 { 0 } else { y as u32 * 10 - 9 });
            row.copy_from_slice(&[y as u32 * 10, y as u32 * 10 + 1]);
        })
        .unwrap();
    let mut copy = [0; 100];
    memory.read_at(0, &mut copy).unwrap();
    let words: Vec<u32> = copy.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect();
    let mut expected = vec![0; 25];
    for y in 0..3 {
        expected[1 + 10 * y] = 10 * y as u32;
        expected[2 + 10 * y] = 10 * y as u32 + 1;
    }
    assert_eq!(words, expected);
    // One word too many.
    let error = memory.with_rows(4, 40, 5, 3, |_, _| panic!("must not be called")).unwrap_err();
    assert_eq!(error.to_string(), "100 bytes at 4 are not within a memory of 100 bytes");
    for (stride, width, rows) in [(usize::MAX, 1, 3), (0, usize::MAX, 1), (4, 1, usize::MAX)] {
        let error =
            memory.with_rows(0, stride, width, rows, |_, _| panic!("must not be called")).unwrap_err();
        assert!(matches!(error, OwnError::OutOfBounds { .. }), "{error}");
    }
}

#[test]
fn resizing_keeps_the_content_and_the_promise() {
    let mut memory = OwnMemory::create("selkie-own", page() as u64, Some(Seals::SHRINK)).unwrap();
    memory.write_at(page() - 1, b"x").unwrap();
    let larger = 100 * page();
    memory.resize(larger as u64).unwrap();
    assert_eq!(memory.len(), larger);
    memory.write_at(larger - 1, b"y").unwrap();
    let mut byte = [0];
    memory.read_at(page() - 1, &mut byte).unwrap();
    assert_eq!(&byte, b"x");
    // Sealed memory does not shrink; our view of it does.
    memory.resize(10).unwrap();
    assert_eq!((memory.len(), rustix::fs::fstat(&memory).unwrap().st_size), (10, larger as i64));
    assert!(memory.read_at(0, &mut [0; 11]).is_err());
    // Unsealed memory does.
    let mut memory = OwnMemory::create("selkie-own", page() as u64, None).unwrap();
    memory.resize(10).unwrap();
    assert_eq!(rustix::fs::fstat(&memory).unwrap().st_size, 10);

    let mut memory = OwnMemory::create("selkie-own", 10, Some(Seals::SHRINK | Seals::GROW)).unwrap();
    match memory.resize(11).unwrap_err() {
        OwnError::Resize { len: 11, source } => assert_eq!(source.raw_os_error(), Some(libc::EPERM)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(memory.resize(0).unwrap_err(), OwnError::Map { len: 0, .. }));
    assert_eq!(memory.len(), 10);
}

#[test]
fn what_cannot_be_made_is_an_error() {
    assert!(matches!(OwnMemory::create("x", 0, None).unwrap_err(), OwnError::Map { len: 0, .. }));
    // Write-sealed memory cannot be written.
    let error = OwnMemory::create("x", 10, Some(Seals::WRITE)).unwrap_err();
    assert_eq!(error.to_string(), "cannot map 10 bytes");
    let error = OwnMemory::create("x", u64::MAX, None).unwrap_err();
    assert_eq!(error.to_string(), "cannot make the memfd `x` 18446744073709551615 bytes long");
}

#[test]
fn a_peer_that_shrinks_it_does_not_kill_us() {
    let peer = Peer::start();
    let mut memory = OwnMemory::create("selkie-own", 4 * page() as u64, Some(Seals::empty())).unwrap();
    memory.write_at(0, &vec![7; 4 * page()]).unwrap();
    peer.ask(memory.as_fd(), "truncate 0").unwrap();
    let at = 2 * page() + 5;
    match memory.write_at(at, b"x").unwrap_err() {
        OwnError::Fault { offset } => assert_eq!(offset, at),
        other => panic!("{other:?}"),
    }
    assert!(matches!(memory.read_at(0, &mut [0]).unwrap_err(), OwnError::Fault { .. }));
    // A resize makes it good again.
    memory.resize(page() as u64).unwrap();
    memory.write_at(0, b"x").unwrap();
    let sealed = OwnMemory::create("selkie-own", 10, Some(Seals::SHRINK)).unwrap();
    assert_eq!(peer.ask(&sealed, "truncate 0"), Err(Errno::PERM));
}
