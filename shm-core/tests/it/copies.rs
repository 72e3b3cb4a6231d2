//! Copying out, with and without a mapping, and memory that cannot change.

use std::os::fd::{AsFd, AsRawFd};

use proptest::prelude::*;
use rustix::fs::OFlags;
use rustix::io::Errno;
use shm_core::deliver::{DeliverError, deliver};
use shm_core::frozen::{Frozen, FrozenError};
use shm_core::mapping::{Guarded, Mapping, ReadError};
use shm_core::own::OwnMemory;
use shm_core::pread::{self, PreadError, Reader};
use shm_core::seals::Seals;
use shm_core::verdict::{Kind, Unsealed, Unusable};

use crate::peer::Peer;
use crate::{memory, page};

/// Memory in which every byte is its offset.
fn numbered(size: usize, seals: Seals) -> std::os::fd::OwnedFd {
    let fd = memory(size, Seals::empty());
    let content: Vec<u8> = (0..size).map(|at| at as u8).collect();
    assert_eq!(rustix::io::pwrite(&fd, &content, 0), Ok(size));
    Seals::add(&fd, seals).unwrap();
    fd
}

#[test]
fn pread_reads_everything_or_says_how_much_there_was() {
    let peer = Peer::start();
    let fd = numbered(1000, Seals::empty());
    let reader = Reader::open(fd.as_fd(), 1000).unwrap();
    let mut copy = [0; 10];
    assert_eq!(reader.read_at(990, &mut copy).unwrap(), 10);
    assert_eq!(copy[0], 990_usize as u8);
    match reader.read_at(995, &mut copy).unwrap_err() {
        PreadError::Short { offset: 995, wanted: 10, got: 5 } => {}
        other => panic!("{other:?}"),
    }
    peer.ask(&fd, "truncate 0").unwrap();
    let error = reader.read_rows(0, 100, 50, 3, &mut [0; 150], 50).unwrap_err();
    assert_eq!(error.to_string(), "the file ends 0 bytes into the 50 bytes at 0");
    assert!(matches!(reader.read_at(u64::MAX, &mut copy).unwrap_err(), PreadError::Io { .. }));
    assert!(matches!(
        reader.read_rows(u64::MAX - 10, 4, 4, 5, &mut [0; 20], 4).unwrap_err(),
        PreadError::Overflow
    ));
    match Reader::open(fd.as_fd(), 1).unwrap_err() {
        PreadError::Unusable { why } => assert_eq!(why, Unusable::TooShort { claimed: 1, size: 0 }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pread_races_with_a_truncating_client_without_harm() {
    let peer = Peer::start();
    let size = 64 * page();
    let fd = memory(size, Seals::empty());
    let reader = Reader::open(fd.as_fd(), size as u64).unwrap();
    peer.ask(&fd, &format!("race 0 {size}")).unwrap();
    let (mut copy, mut short) = (vec![0; size], 0);
    while short < 200 {
        match reader.read_at(0, &mut copy) {
            Ok(count) => assert_eq!(count, size),
            Err(PreadError::Short { got, .. }) => {
                assert!(got < size);
                short += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    peer.tell("stop").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Both ways to copy rows give what a naive copy gives, touch nothing else, and refuse what does not fit.
    #[test]
    fn rows_are_copied_as_by_hand(
        offset in 0_usize..400, stride in 0_usize..60, row_bytes in 0_usize..60, rows in 0_usize..20,
        dst_len in 0_usize..1200, dst_stride in 0_usize..60,
    ) {
        const SIZE: usize = 1000;
        let fd = numbered(SIZE, Seals::empty());
        let mapping = Mapping::<Guarded>::new(fd.as_fd(), SIZE as u64).unwrap();
        let (mut mapped, mut read) = (vec![0xee; dst_len], vec![0xee; dst_len]);
        let by_mapping = mapping.copy_rows(offset, stride, row_bytes, rows, &mut mapped, dst_stride);
        let by_pread = pread::pread_rows(fd.as_fd(), offset as u64, stride, row_bytes, rows, &mut read, dst_stride);

        let nothing = rows == 0 || row_bytes == 0;
        let last = rows.saturating_sub(1);
        let fits = last * dst_stride + row_bytes <= dst_len && (rows < 2 || dst_stride >= row_bytes);
        let exists = offset + last * stride + row_bytes <= SIZE;
        if nothing {
            prop_assert_eq!((by_mapping, by_pread.unwrap()), (Ok(()), 0));
            prop_assert!(mapped.iter().chain(&read).all(|byte| *byte == 0xee));
        } else if !fits {
            let expected = ReadError::Rows { rows, row_bytes, dst_stride, dst_len };
            prop_assert_eq!(by_mapping, Err(expected));
            let refused = matches!(by_pread, Err(PreadError::Rows { .. }));
            prop_assert!(refused);
        } else if !exists {
            let refused = matches!(by_mapping, Err(ReadError::OutOfBounds { len: SIZE, .. }));
            prop_assert!(refused);
            let short = matches!(by_pread, Err(PreadError::Short { .. }));
            prop_assert!(short);
        } else {
            prop_assert_eq!((by_mapping, by_pread.unwrap()), (Ok(()), rows * row_bytes));
            let mut expected = vec![0xee; dst_len];
            for row in 0..rows {
                for column in 0..row_bytes {
                    expected[row * dst_stride + column] = (offset + row * stride + column) as u8;
                }
            }
            prop_assert_eq!(&mapped, &expected);
            prop_assert_eq!(&read, &expected);
        }
    }
}

#[test]
fn frozen_memory_is_bytes_that_nobody_can_change() {
    let peer = Peer::start();
    let seals = Seals::SHRINK | Seals::WRITE;
    let fd = numbered(page(), seals);
    let frozen = Frozen::new(fd.as_fd(), page() as u64).unwrap();
    assert_eq!(frozen.len(), page());
    assert!(frozen.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    for request in ["write 0 x", "truncate 0", "punch 0 4096"] {
        assert_eq!(peer.ask(&fd, request), Err(Errno::PERM), "{request}");
    }
    // It may grow, which changes nothing here.
    peer.ask(&fd, &format!("truncate {}", 2 * page())).unwrap();
    assert_eq!(frozen[255], 255);
    assert_eq!(Frozen::new(fd.as_fd(), 2 * page() as u64).unwrap()[page()], 0);
}

#[test]
fn what_can_change_is_not_frozen() {
    let fd = memory(page(), Seals::SHRINK | Seals::FUTURE_WRITE);
    match Frozen::new(fd.as_fd(), 1).unwrap_err() {
        FrozenError::Writable { seals } => assert_eq!(seals, Seals::SHRINK | Seals::FUTURE_WRITE),
        other => panic!("{other:?}"),
    }
    let fd = memory(page(), Seals::WRITE);
    assert!(matches!(
        Frozen::new(fd.as_fd(), 1).unwrap_err(),
        FrozenError::Unsealed { why: Unsealed::ShrinkMissing }
    ));
    let fd = memory(page(), Seals::WRITE | Seals::SHRINK);
    assert!(matches!(
        Frozen::new(fd.as_fd(), 0).unwrap_err(),
        FrozenError::Unusable { why: Unusable::Empty }
    ));
    // While somebody has it mapped for writing, it cannot be frozen.
    let peer = Peer::start();
    let fd = memory(page(), Seals::SHRINK);
    peer.ask(&fd, "map").unwrap();
    assert_eq!(peer.ask(&fd, "seal write"), Err(Errno::BUSY));
}

/// What is behind `fd`.
fn content(fd: impl AsFd, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert_eq!(rustix::io::pread(fd, &mut bytes, 0), Ok(len));
    bytes
}

/// Memory of ours to deliver.
fn parcel(len: usize, byte: u8) -> OwnMemory {
    let mut memory = OwnMemory::create("parcel", len as u64, Some(Seals::SHRINK)).unwrap();
    memory.write_at(0, &vec![byte; len]).unwrap();
    memory
}

#[test]
fn a_delivery_writes_its_bytes_and_no_others() {
    for seals in [Seals::empty(), Seals::SHRINK, Seals::SHRINK | Seals::GROW | Seals::SEAL] {
        let fd = memory(3 * page() + 100, seals);
        // Which would make pwrite(2) write at the end.
        rustix::fs::fcntl_setfl(&fd, OFlags::RDWR | OFlags::APPEND).unwrap();
        let (offset, len) = (page() - 3, page() + 103);
        deliver(&parcel(len, 7), fd.as_fd(), offset as u64).unwrap();
        let mut expected = vec![0; 3 * page() + 100];
        expected[offset..offset + len].fill(7);
        assert_eq!(content(&fd, expected.len()), expected);
        assert_eq!(rustix::fs::fstat(&fd).unwrap().st_size, expected.len() as i64);
    }
    // To the last byte, and not beyond.
    let fd = memory(page() + 10, Seals::SHRINK);
    deliver(&parcel(10, 1), fd.as_fd(), page() as u64).unwrap();
    for offset in [page() as u64 + 1, 1 << 40, u64::MAX - 10] {
        match deliver(&parcel(10, 2), fd.as_fd(), offset).unwrap_err() {
            DeliverError::Unusable { why: Unusable::TooShort { claimed, .. } } => {
                assert_eq!(claimed, offset + 10)
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(deliver(&parcel(10, 2), fd.as_fd(), u64::MAX).unwrap_err(), DeliverError::Overflow));
    assert_eq!(content(&fd, page() + 10)[page()..], [1; 10]);
}

#[test]
fn what_cannot_be_written_is_not_written() {
    let fd = memory(page(), Seals::SHRINK);
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let read_only = rustix::fs::open(&path, OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    let refuse = |fd: std::os::fd::BorrowedFd<'_>| deliver(&parcel(10, 9), fd, 0).unwrap_err();
    assert!(matches!(refuse(read_only.as_fd()), DeliverError::ReadOnly));
    for seal in [Seals::FUTURE_WRITE, Seals::WRITE] {
        Seals::add(&fd, seal).unwrap();
        assert!(matches!(refuse(fd.as_fd()), DeliverError::WriteSealed));
    }
    assert_eq!(content(&fd, 10), [0; 10]);
    if let Some(disk) = crate::stalls::disk_file("writing a file on a disk") {
        assert!(matches!(refuse(disk.as_fd()), DeliverError::NotMemory { kind: Kind::Disk }));
    }
    let (pipe, _) = rustix::pipe::pipe().unwrap();
    assert!(matches!(refuse(pipe.as_fd()), DeliverError::Unusable { .. }));
}

#[test]
fn a_delivery_races_with_a_truncating_client_without_harm() {
    let peer = Peer::start();
    let size = 64 * page();
    let fd = memory(size, Seals::empty());
    let parcel = parcel(size, 5);
    peer.ask(&fd, &format!("race 0 {size}")).unwrap();
    let (mut short, mut gone) = (0, 0);
    for _ in 0..2000 {
        match deliver(&parcel, fd.as_fd(), 0) {
            Ok(()) => {}
            Err(DeliverError::Unusable { why: Unusable::TooShort { .. } }) => short += 1,
            Err(DeliverError::Gone { written }) => {
                assert!(written < size);
                gone += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    peer.tell("stop").unwrap();
    assert!(short + gone > 0, "no attempt met the client");
}
