//! Whole rings in one process: what Miri can run, and what a peer can write that no peer should.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::shared::{AccessError, Shared};

/// Memory that is shared between threads, whose clones are the same memory.
#[derive(Clone)]
struct Heap(Arc<Block>);

struct Block {
    start: NonNull<u8>,
    layout: Layout,
    /// The pages are gone.
    gone: AtomicBool,
}

// SAFETY: an address of memory, which threads use through pointers.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Heap {
    fn new(len: usize) -> Heap {
        let layout = Layout::from_size_align(len, 4096).unwrap();
        // SAFETY: not of size 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Heap(Arc::new(Block { start, layout, gone: AtomicBool::new(false) }))
    }

    fn of(geometry: Geometry) -> Heap {
        Heap::new(usize::try_from(geometry.memory_len().unwrap()).unwrap())
    }

    /// A word of it, as somebody who means no good has it.
    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len());
        // SAFETY: within the memory, aligned, and an atomic.
        unsafe { &*self.start().as_ptr().add(offset).cast::<AtomicU64>() }
    }
}

// SAFETY: readable and writable until the last clone is dropped, aligned to a page.
unsafe impl Shared for Heap {
    fn start(&self) -> NonNull<u8> {
        self.0.start
    }
    fn len(&self) -> usize {
        self.0.layout.size()
    }
    fn can_shrink(&self) -> bool {
        true
    }
    fn run<R>(&self, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        match self.0.gone.load(Ordering::Relaxed) {
            false => Ok(access(self.0.start.as_ptr())),
            true => Err(Fault { offset: 7 }),
        }
    }
}

const SMALL: Geometry = Geometry { slots: 2, slot_size: 100 };

fn pair(geometry: Geometry) -> (Producer<Heap>, Consumer<Heap>, Heap) {
    let heap = Heap::of(geometry);
    let producer = Producer::create(heap.clone(), geometry).unwrap();
    let consumer = Consumer::attach(heap.clone()).unwrap();
    (producer, consumer, heap)
}

fn send(producer: &mut Producer<Heap>, bytes: &[u8]) {
    let mut slot = producer.reserve().unwrap();
    slot.write_at(0, bytes).unwrap();
    slot.commit(bytes.len()).unwrap();
}

#[test]
fn frames_arrive_in_order_between_threads() {
    let count: u64 = if cfg!(miri) { 60 } else { 20_000 };
    for (slots, spin) in [(1, Duration::ZERO), (2, Duration::from_micros(20)), (3, Duration::ZERO)] {
        let (mut producer, mut consumer, _) = pair(Geometry { slots, slot_size: 64 });
        producer.set_spin(spin);
        consumer.set_spin(spin);
        let writer = std::thread::spawn(move || {
            for number in 0..count {
                send(&mut producer, &number.to_ne_bytes()[..usize::try_from(number % 9).unwrap()]);
            }
        });
        for number in 0..count {
            let frame = consumer.receive().unwrap();
            assert_eq!(frame.to_vec().unwrap(), number.to_ne_bytes()[..frame.len()]);
            assert_eq!(frame.len() as u64, number % 9);
        }
        assert!(matches!(consumer.receive(), Err(RingError::Closed { side: Side::Producer })));
        writer.join().unwrap();
    }
}

#[test]
fn a_ring_is_full_or_empty_and_says_so() {
    let (mut producer, mut consumer, _) = pair(SMALL);
    assert!(consumer.try_receive().unwrap().is_none());
    assert!(consumer.receive_timeout(Duration::from_millis(1)).unwrap().is_none());
    for number in 0..2 {
        send(&mut producer, &[number; 100]);
    }
    assert!(producer.try_reserve().unwrap().is_none());
    assert!(producer.reserve_timeout(Duration::from_millis(1)).unwrap().is_none());
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), [0; 100]);
    // One that is reserved and let go is reserved again.
    assert!(producer.try_reserve().unwrap().is_some());
    send(&mut producer, &[2]);
    assert_eq!(consumer.try_receive().unwrap().unwrap().to_vec().unwrap(), [1; 100]);
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), [2]);
    assert!(consumer.try_receive().unwrap().is_none());
    consumer.close().unwrap();
    assert!(matches!(producer.try_reserve(), Err(RingError::Closed { side: Side::Consumer })));
}

#[test]
fn nothing_is_written_or_read_beyond_a_slot_or_frame() {
    let (mut producer, mut consumer, _) = pair(SMALL);
    let mut slot = producer.reserve().unwrap();
    assert_eq!(slot.len(), 100);
    slot.write_at(96, b"last").unwrap();
    let out = AccessError::OutOfBounds { offset: 97, count: 4, len: 100 };
    assert_eq!(slot.write_at(97, b"past"), Err(out));
    assert!(slot.write_at(usize::MAX, b"far").is_err());
    assert!(matches!(slot.commit(101), Err(RingError::TooLong { len: 101, slot_size: 100 })));
    send(&mut producer, b"four");
    let frame = consumer.receive().unwrap();
    let out = AccessError::OutOfBounds { offset: 2, count: 3, len: 4 };
    assert_eq!(frame.read_at(2, &mut [0; 3]), Err(out));
    frame.read_at(2, &mut [0; 2]).unwrap();
    frame.release().unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "asks pidfd_open(2) whether somebody lives")]
fn a_role_is_for_one_and_taken_over_only_when_it_is_free() {
    let (producer, consumer, heap) = pair(SMALL);
    let taken = |result: Result<(), OpenError>, side: Side, state: State| {
        let OpenError::Taken { side: of, state: is, pid } = result.unwrap_err() else { panic!() };
        assert_eq!((of, is, pid), (side, state, std::process::id()));
    };
    taken(Producer::attach(heap.clone()).map(drop), Side::Producer, State::Attached);
    taken(Producer::take_over(heap.clone()).map(drop), Side::Producer, State::Attached);
    drop(consumer);
    taken(Consumer::attach(heap.clone()).map(drop), Side::Consumer, State::Closed);
    let mut consumer = Consumer::take_over(heap.clone()).unwrap();
    drop(producer);
    let mut producer = Producer::take_over(heap).unwrap();
    send(&mut producer, b"again");
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), b"again");
}

#[test]
fn who_takes_over_goes_on_where_the_other_was() {
    let (mut producer, mut consumer, heap) = pair(SMALL);
    send(&mut producer, b"one");
    drop(consumer.receive().unwrap());
    send(&mut producer, b"two");
    // Read, and not released.
    std::mem::forget(consumer.receive().unwrap());
    drop((producer, consumer));
    let mut producer = Producer::take_over(heap.clone()).unwrap();
    let mut consumer = Consumer::take_over(heap).unwrap();
    send(&mut producer, b"three");
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), b"two");
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), b"three");
}

#[test]
#[cfg_attr(miri, ignore = "writes over smaller atomics, at which Miri gives up")]
fn what_is_no_ring_is_an_error() {
    let open = |heap: &Heap| Consumer::attach(heap.clone()).map(drop).unwrap_err();
    assert!(matches!(open(&Heap::new(100)), OpenError::TooSmall { needed: 1024, len: 100 }));
    let heap = Heap::of(SMALL);
    assert!(matches!(open(&heap), OpenError::NotYet));
    let large = Geometry { slots: 3, ..SMALL };
    let create = |geometry| Producer::create(heap.clone(), geometry).map(drop).unwrap_err();
    assert!(matches!(create(large), OpenError::TooSmall { .. }));
    assert!(matches!(
        create(Geometry { slots: 0, ..SMALL }),
        OpenError::Geometry { slots: 0, slot_size: 100 }
    ));
    drop(Producer::create(heap.clone(), SMALL).unwrap());
    assert!(matches!(create(SMALL), OpenError::InUse));
    assert!(matches!(
        Consumer::attach_split(heap.clone(), heap.clone()).map(drop),
        Err(OpenError::Split { split: false })
    ));
    // As many slots as fit, and one more.
    heap.word(8).store(1 | 3 << 32, Ordering::Relaxed);
    assert!(matches!(open(&heap), OpenError::TooSmall { .. }));
    heap.word(8).store(2 | 2 << 32, Ordering::Relaxed);
    assert!(matches!(open(&heap), OpenError::Version { version: 2 }));
    heap.word(0).store(4711, Ordering::Relaxed);
    assert!(matches!(open(&heap), OpenError::NotARing { magic: 4711 }));
}

#[test]
fn slots_can_be_in_a_memory_of_their_own() {
    let geometry = Geometry { slots: 3, slot_size: 5000 };
    let (control, slots) = geometry.split_memory_len().unwrap();
    let (control, slots) =
        (Heap::new(usize::try_from(control).unwrap()), Heap::new(usize::try_from(slots).unwrap()));
    let mut producer = Producer::create_split(control.clone(), slots.clone(), geometry).unwrap();
    let mut consumer = Consumer::attach_split(control.clone(), slots.clone()).unwrap();
    assert!(matches!(Consumer::attach(control.clone()).map(drop), Err(OpenError::Split { split: true })));
    for number in 0..7 {
        let mut slot = producer.reserve().unwrap();
        slot.write_at(0, &[number; 5000]).unwrap();
        slot.commit(5000).unwrap();
        assert_eq!(
            slots.word(usize::from(number % 3) * 8192).load(Ordering::Relaxed).to_ne_bytes(),
            [number; 8]
        );
        assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), [number; 5000]);
    }
    let mut slot = producer.reserve().unwrap();
    slot.write_at(0, b"left").unwrap();
    slot.commit(4).unwrap();
    drop((producer, consumer));
    let refused = Consumer::take_over(control.clone()).map(drop);
    assert!(matches!(refused, Err(OpenError::Split { split: true })));
    let mut consumer = Consumer::take_over_split(control.clone(), slots.clone()).unwrap();
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), b"left");
    let mut producer = Producer::take_over_split(control, slots.clone()).unwrap();
    let mut slot = producer.reserve().unwrap();
    slot.write_at(0, b"next").unwrap();
    slot.commit(4).unwrap();
    // The eighth and the ninth frame: in the second slot and the third.
    assert_eq!(&slots.word(8192).load(Ordering::Relaxed).to_ne_bytes()[..4], b"left");
    assert_eq!(&slots.word(2 * 8192).load(Ordering::Relaxed).to_ne_bytes()[..4], b"next");
    assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), b"next");
}

#[test]
fn memory_that_is_gone_is_an_error_everywhere() {
    let (mut producer, mut consumer, heap) = pair(SMALL);
    send(&mut producer, b"one");
    heap.0.gone.store(true, Ordering::Relaxed);
    assert!(matches!(producer.reserve().map(drop), Err(RingError::Fault { offset: 7 })));
    assert!(matches!(producer.close(), Err(RingError::Fault { offset: 7 })));
    assert!(matches!(consumer.receive().map(drop), Err(RingError::Fault { offset: 7 })));
    assert!(matches!(Consumer::attach(heap).map(drop), Err(OpenError::Fault { offset: 7 })));
}

#[test]
fn an_index_that_cannot_be_is_an_error() {
    let (mut producer, mut consumer, heap) = pair(SMALL);
    for index in [3, 17, u64::MAX] {
        heap.word(384).store(index, Ordering::Relaxed);
        assert!(matches!(
            consumer.receive().map(drop),
            Err(RingError::Corrupt { side: Side::Producer, index: at, own: 0, slots: 2 }) if at == index
        ));
    }
    heap.word(384).store(0, Ordering::Relaxed);
    send(&mut producer, b"one");
    send(&mut producer, b"two");
    for index in [3, u64::MAX] {
        heap.word(512).store(index, Ordering::Relaxed);
        assert!(matches!(
            producer.reserve().map(drop),
            Err(RingError::Corrupt { side: Side::Consumer, index: at, own: 2, slots: 2 }) if at == index
        ));
    }
    // A length is cut.
    heap.word(1024).store(u64::MAX, Ordering::Relaxed);
    assert_eq!(consumer.receive().unwrap().len(), 100);
}

/// What may be done to a ring, and with it.
#[derive(Debug, Clone)]
enum Act {
    Scribble(usize, u64),
    Flip(usize, u32),
    Send(Vec<u8>),
    Receive,
    Attach,
    TakeOver,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    // The words that mean something, more often than the others.
    let word = prop_oneof![
        Just(0),
        Just(8),
        Just(16),
        Just(128),
        Just(256),
        Just(384),
        Just(512),
        Just(1024),
        0..150_usize
    ]
    .prop_map(|at| at / 8 * 8);
    let value = prop_oneof![any::<u64>(), 0..20_u64, Just(u64::MAX)];
    let act = prop_oneof![
        (word.clone(), value).prop_map(|(at, value)| Act::Scribble(at, value)),
        (word, 0..64_u32).prop_map(|(at, bit)| Act::Flip(at, bit)),
        proptest::collection::vec(any::<u8>(), 0..120).prop_map(Act::Send),
        Just(Act::Receive),
        Just(Act::Attach),
        Just(Act::TakeOver),
    ];
    proptest::collection::vec(act, 0..40)
}

proptest! {
    // Whoever accesses what is not there runs into the allocator's neighbours, or into Miri.
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 2000 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    #[cfg_attr(miri, ignore = "asks pidfd_open(2) whether somebody lives")]
    fn scribbling_over_the_header_harms_nobody(acts in acts()) {
        let (mut producer, mut consumer, heap) = pair(SMALL);
        for act in acts {
            match act {
                Act::Scribble(at, value) => heap.word(at).store(value, Ordering::Relaxed),
                Act::Flip(at, bit) => drop(heap.word(at).fetch_xor(1 << bit, Ordering::Relaxed)),
                Act::Send(bytes) => {
                    if let Ok(Some(mut slot)) = producer.try_reserve() {
                        prop_assert_eq!(slot.write_at(0, &bytes).is_ok(), bytes.len() <= 100);
                        let _ = slot.commit(bytes.len());
                    }
                }
                Act::Receive => {
                    if let Ok(Some(frame)) = consumer.try_receive() {
                        prop_assert!(frame.to_vec().unwrap().len() <= 100);
                    }
                }
                Act::Attach => drop(Consumer::attach(heap.clone())),
                Act::TakeOver => drop(Producer::take_over(heap.clone())),
            }
        }
    }
}

#[test]
fn a_peer_that_flips_its_flag_cannot_keep_us_from_the_news() {
    let (mut producer, mut consumer, heap) = pair(SMALL);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let flips = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            // SAFETY: within the memory, aligned, and an atomic: the consumer's flag.
            let flag = unsafe { &*heap.start().as_ptr().add(256 + 16).cast::<AtomicU32>() };
            flag.store(0, Ordering::Relaxed);
            std::thread::yield_now();
        }
    });
    let writer = std::thread::spawn(move || {
        for number in 0..20_u8 {
            send(&mut producer, &[number]);
        }
    });
    // Whoever is woken for nothing looks again; who is not woken for something looks when the time is up.
    for number in 0..20 {
        let frame = loop {
            match consumer.receive_timeout(Duration::from_millis(5)).unwrap() {
                Some(frame) => break frame.to_vec().unwrap(),
                None => continue,
            }
        };
        assert_eq!(frame, [number]);
    }
    stop.store(true, Ordering::Relaxed);
    flips.join().unwrap();
    writer.join().unwrap();
}
