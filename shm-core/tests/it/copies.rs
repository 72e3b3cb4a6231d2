//! Copying out, with and without a mapping, and memory that cannot change.

use std::os::fd::AsFd;

use proptest::prelude::*;
use rustix::io::Errno;
use shm_core::frozen::{Frozen, FrozenError};
use shm_core::mapping::{Guarded, Mapping, ReadError};
use shm_core::pread::{self, PreadError, Reader};
use shm_core::seals::Seals;
use shm_core::verdict::{Unsealed, Unusable};

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
