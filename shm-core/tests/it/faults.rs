//! Memory that another process takes away while we read it.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};

use rustix::io::Errno;
use shm_core::guard::Fault;
use shm_core::mapping::{Guarded, Mapping, ReadError, Sealed};
use shm_core::seals::Seals;

use crate::peer::Peer;
use crate::{memory, page};

/// Memory of four pages of `0x61`, unsealed, and a mapping of it.
fn guarded() -> (std::os::fd::OwnedFd, Mapping<Guarded>) {
    let fd = memory(4 * page(), Seals::empty());
    rustix::io::pwrite(&fd, &vec![0x61; 4 * page()], 0).unwrap();
    let mapping = Mapping::<Guarded>::new(fd.as_fd(), 4 * page() as u64).unwrap();
    (fd, mapping)
}

/// Reads the byte at `at`, and no other, in a range that is not aligned to anything.
fn byte(mapping: &Mapping<Guarded>, at: usize) -> Result<u8, ReadError> {
    let start = at.saturating_sub(7);
    // SAFETY: within the range, which is mapped.
    mapping.read(start..at + 1, |start_of, _| unsafe { start_of.add(at - start).read_volatile() })
}

#[test]
fn a_fault_is_caught_at_every_place() {
    let peer = Peer::start();
    let size = 4 * page();
    for at in [0, 1, 63, page() - 1, page(), page() + 17, size / 2, size - 2, size - 1] {
        let (fd, mapping) = guarded();
        assert_eq!(byte(&mapping, at), Ok(0x61));
        peer.ask(&fd, "truncate 0").unwrap();
        assert_eq!(byte(&mapping, at), Err(ReadError::Fault { offset: at }));
        assert_eq!(mapping.fault(), Some(Fault { offset: at }));
        // It stays poisoned, also where nothing faulted, also after the memory has come back.
        peer.ask(&fd, &format!("truncate {size}")).unwrap();
        assert_eq!(byte(&mapping, size - 1), Err(ReadError::Fault { offset: at }));
        assert_eq!(mapping.read(0..0, |_, _| ()), Err(ReadError::Fault { offset: at }));
        // A new mapping is a new beginning.
        assert_eq!(byte(&Mapping::<Guarded>::new(fd.as_fd(), size as u64).unwrap(), at), Ok(0));
    }
}

#[test]
fn only_what_is_gone_faults() {
    let peer = Peer::start();
    let (fd, mapping) = guarded();
    peer.ask(&fd, &format!("truncate {}", page() + 1)).unwrap();
    let mut copy = vec![1; 2 * page()];
    // The rest of the last page reads as zeros.
    assert_eq!(mapping.copy_to(0, &mut copy), Ok(()));
    assert!(
        copy[..=page()].iter().all(|byte| *byte == 0x61) && copy[page() + 1..].iter().all(|byte| *byte == 0)
    );
    assert_eq!(byte(&mapping, 2 * page()), Err(ReadError::Fault { offset: 2 * page() }));
}

#[test]
fn a_reader_runs_on_over_zeros() {
    let peer = Peer::start();
    let (fd, mapping) = guarded();
    peer.ask(&fd, "truncate 0").unwrap();
    let mut seen = None;
    let size = mapping.len();
    let result = mapping.read(5..size, |start, len| {
        // SAFETY: within the range.
        seen = Some((0..len).map(|at| u64::from(unsafe { start.add(at).read_volatile() })).sum::<u64>());
        "finished"
    });
    assert_eq!((result, seen), (Err(ReadError::Fault { offset: 5 }), Some(0)));
}

#[test]
fn reads_nest() {
    let peer = Peer::start();
    let ((_outer_fd, outer), (inner_fd, inner)) = (guarded(), guarded());
    peer.ask(&inner_fd, "truncate 0").unwrap();
    // A fault of the inner one is its own.
    let result = outer.read(0..1, |start, _| {
        assert_eq!(byte(&inner, 3), Err(ReadError::Fault { offset: 3 }));
        // SAFETY: within the range.
        unsafe { start.read_volatile() }
    });
    assert_eq!(result, Ok(0x61));

    // A fault of the outer one inside the inner one is the outer one's.
    let ((outer_fd, outer), (_inner_fd, inner)) = (guarded(), guarded());
    let result = outer.read(9..10, |start, _| {
        peer.ask(&outer_fd, "truncate 0").unwrap();
        // SAFETY: within the outer range.
        inner.read(0..1, |_, _| unsafe { start.read_volatile() })
    });
    assert_eq!(result, Err(ReadError::Fault { offset: 9 }));
    assert_eq!(inner.fault(), None);

    // The same one in itself: the outer read cannot claim that it went well.
    let (fd, mapping) = guarded();
    let result = mapping.read(0..1, |_, _| {
        peer.ask(&fd, "truncate 0").unwrap();
        assert_eq!(byte(&mapping, 1), Err(ReadError::Fault { offset: 1 }));
    });
    assert_eq!(result, Err(ReadError::Fault { offset: 1 }));
}

#[test]
fn a_reader_on_another_thread_learns_of_the_fault_too() {
    let peer = Peer::start();
    let (fd, mapping) = guarded();
    let (_other_fd, other) = guarded();
    let (mapping, barrier) = (Arc::new(mapping), Arc::new(Barrier::new(2)));
    let second = {
        let (mapping, barrier) = (Arc::clone(&mapping), Arc::clone(&barrier));
        std::thread::spawn(move || {
            let unrelated = other.read(0..1, |start, _| {
                let related = mapping.read(0..1, |start, _| {
                    barrier.wait();
                    // Here the first thread faults, and replaces the pages under us.
                    barrier.wait();
                    // SAFETY: within the range.
                    unsafe { start.read_volatile() }
                });
                // SAFETY: within the range.
                (related, unsafe { start.read_volatile() })
            });
            assert_eq!(unrelated, Ok((Err(ReadError::Fault { offset: 100 }), 0x61)));
        })
    };
    barrier.wait();
    peer.ask(&fd, "truncate 0").unwrap();
    assert_eq!(byte(&mapping, 100), Err(ReadError::Fault { offset: 100 }));
    barrier.wait();
    second.join().unwrap();
}

#[test]
fn a_panic_disarms() {
    let (_fd, mapping) = guarded();
    let (other_fd, other) = guarded();
    let panicked = catch_unwind(AssertUnwindSafe(|| mapping.read(0..1, |_, _| panic!("in the closure"))));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"in the closure"));
    rustix::fs::ftruncate(&other_fd, 0).unwrap();
    assert_eq!(byte(&other, 0), Err(ReadError::Fault { offset: 0 }));
    assert_eq!(byte(&mapping, 0), Ok(0x61));
}

#[test]
fn a_race_with_a_truncating_client_ends_in_data_or_an_error() {
    let peer = Peer::start();
    let size = 16 * page();
    let fd = memory(size, Seals::empty());
    peer.ask(&fd, &format!("race 0 {size}")).unwrap();
    let (mut copy, mut faults, mut reads) = (vec![0; size], 0, 0);
    while faults < 200 {
        let mapping = match Mapping::<Guarded>::new(fd.as_fd(), size as u64) {
            Ok(mapping) => mapping,
            // It was short at that moment.
            Err(error) => {
                assert!(error.to_string().starts_with("the file has 0 bytes, fewer than"), "{error}");
                continue;
            }
        };
        loop {
            match mapping.copy_to(0, &mut copy) {
                Ok(()) => reads += 1,
                Err(ReadError::Fault { .. }) => break faults += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    let laps = peer.tell("stop").unwrap();
    assert!(laps > 0);
    println!("{reads} whole reads and {faults} faults in {laps} truncations");
}

#[test]
fn sealed_memory_cannot_be_taken_away() {
    let peer = Peer::start();
    let size = 4 * page();
    let fd = memory(size, Seals::SHRINK);
    peer.ask(&fd, "write 0 abc").unwrap();
    let mapping = Mapping::<Sealed>::new(fd.as_fd(), size as u64).unwrap();
    for smaller in [0, 1, page(), size - 1] {
        assert_eq!(peer.ask(&fd, &format!("truncate {smaller}")), Err(Errno::PERM));
    }
    let mut copy = [0; 3];
    mapping.copy_to(0, &mut copy).unwrap();
    assert_eq!(&copy, b"abc");
    // A hole reads as zeros; its pages come back by themselves.
    peer.ask(&fd, &format!("punch 0 {size}")).unwrap();
    let mut copy = vec![1; size];
    mapping.copy_to(0, &mut copy).unwrap();
    assert!(copy.iter().all(|byte| *byte == 0));
    // Growing makes a longer mapping possible; the old one lives on, and shows the same memory.
    assert!(Mapping::<Sealed>::new(fd.as_fd(), size as u64 + 1).is_err());
    peer.ask(&fd, &format!("truncate {}", 2 * size)).unwrap();
    let larger = Mapping::<Sealed>::new(fd.as_fd(), 2 * size as u64).unwrap();
    peer.ask(&fd, "write 1 xyz").unwrap();
    for mapping in [&mapping, &larger] {
        let mut copy = [1; 5];
        mapping.copy_to(0, &mut copy).unwrap();
        assert_eq!(&copy, b"\0xyz\0");
    }
    drop(fd);
    let mut byte = [1];
    larger.copy_to(2 * size - 1, &mut byte).unwrap();
    assert_eq!(byte, [0]);
}

#[test]
fn ranges_are_checked() {
    let fd = memory(100, Seals::SHRINK);
    let mapping = Mapping::<Sealed>::new(fd.as_fd(), 100).unwrap();
    assert_eq!(mapping.len(), 100);
    assert_eq!(mapping.read(100..100, |_, len| len), Ok(0));
    assert_eq!(mapping.read(99..100, |_, len| len), Ok(1));
    #[expect(clippy::reversed_empty_ranges, reason = "what a client's arithmetic may lead to")]
    for range in [0..101, 100..101, 101..101, 5..4, usize::MAX..usize::MAX, 0..usize::MAX] {
        let expected = ReadError::OutOfBounds { start: range.start, end: range.end, len: 100 };
        assert_eq!(mapping.read(range, |_, _| panic!("must not be called")), Err(expected));
    }
    assert_eq!(
        mapping.copy_to(usize::MAX, &mut [0; 2]),
        Err(ReadError::OutOfBounds { start: usize::MAX, end: usize::MAX, len: 100 })
    );
    assert_eq!(
        mapping.copy_to(90, &mut [0; 11]).unwrap_err().to_string(),
        "bytes 90 to 101 are not within a mapping of 100 bytes"
    );
}
