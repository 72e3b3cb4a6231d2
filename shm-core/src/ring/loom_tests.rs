//! The protocol under loom: every order in which two sides may see each other's writes, and every point at which the other
//! may end. The code is that of the ring; only the words, the fence and the futex are loom's.
//!
//! Some tests break one of these on purpose, and show that loom finds out.
#![cfg(not(miri))] // loom has a machine of its own

use std::sync::Arc;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, SeqCst};
use std::time::{Duration, Instant};

use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex, atomic};
use loom::thread;

use super::RingError;
use super::protocol::{Half, Platform, Side, Turn, announce_death, claim, holder};
use super::spin::Spin;
use super::tenure::{State, Tenure};
use super::words::{End, Index, Word32, Word64, Words};
use crate::futex::Woken;
use crate::guard::Fault;

impl Word32 for atomic::AtomicU32 {
    fn new(value: u32) -> Self {
        Self::new(value)
    }
    fn load(&self, order: Ordering) -> u32 {
        self.load(order)
    }
    fn store(&self, value: u32, order: Ordering) {
        self.store(value, order);
    }
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.swap(value, order)
    }
}

/// A word, all of whose stores are relaxed if it is `SLOPPY`.
struct Word<const SLOPPY: bool>(atomic::AtomicU64);

impl<const SLOPPY: bool> Word64 for Word<SLOPPY> {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }
    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, if SLOPPY { Relaxed } else { order });
    }
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.0.compare_exchange(current, new, AcqRel, Acquire)
    }
}

/// What is broken.
const SOUND: u8 = 0;
const NO_FENCE: u8 = 1;
const NO_COMPARE: u8 = 2;
const NO_WAKE: u8 = 3;

/// Words, and a futex for each side. The kernel's compares, and queues and wakes, under a lock: so does this.
struct Model<const SLOPPY: bool, const BROKEN: u8> {
    words: Words<atomic::AtomicU32, Word<SLOPPY>>,
    lock: Mutex<()>,
    sleepers: [Condvar; 2],
    frames: Vec<UnsafeCell<u64>>,
}

// SAFETY: loom itself watches over the cells: that two sides never use one at a time is what is tested.
unsafe impl<const SLOPPY: bool, const BROKEN: u8> Sync for Model<SLOPPY, BROKEN> {}

impl<const SLOPPY: bool, const BROKEN: u8> Model<SLOPPY, BROKEN> {
    fn new(slots: u64) -> Arc<Self> {
        let word = || Word(atomic::AtomicU64::new(0));
        let end = || End { tenure: word(), start_time: word(), waiting: atomic::AtomicU32::new(0) };
        let words = Words { producer: end(), consumer: end(), head: Index(word()), tail: Index(word()) };
        let frames = (0..slots).map(|_| UnsafeCell::new(0)).collect();
        Arc::new(Model { words, lock: Mutex::new(()), sleepers: [Condvar::new(), Condvar::new()], frames })
    }

    fn sleeper(&self, side: Side) -> &Condvar {
        &self.sleepers[usize::from(side == Side::Consumer)]
    }

    fn attach(self: &Arc<Self>, side: Side) -> Half<Self> {
        let (old, _) = holder(&**self, side).unwrap();
        let tenure = claim(&**self, side, old, 1, 1).unwrap().unwrap();
        let slots = self.frames.len() as u64;
        Half::new(Arc::clone(self), side, slots, tenure, Spin::new(Duration::ZERO)).unwrap()
    }

    fn frame(&self, index: u64) -> &UnsafeCell<u64> {
        &self.frames[usize::try_from(index).unwrap() % self.frames.len()]
    }
}

impl<const SLOPPY: bool, const BROKEN: u8> Platform for Model<SLOPPY, BROKEN> {
    type U32 = atomic::AtomicU32;
    type U64 = Word<SLOPPY>;

    fn words<R>(&self, f: impl FnOnce(&Words<Self::U32, Self::U64>) -> R) -> Result<R, Fault> {
        Ok(f(&self.words))
    }

    fn fence() {
        if BROKEN != NO_FENCE {
            atomic::fence(SeqCst);
        }
    }

    fn sleep(&self, side: Side, _: Option<Instant>) -> Result<Woken, RingError> {
        let queue = self.lock.lock().unwrap();
        if BROKEN == NO_COMPARE || self.words.end(side).waiting.load(Relaxed) == 1 {
            drop(self.sleeper(side).wait(queue).unwrap());
        }
        Ok(Woken::LookAgain)
    }

    fn wake(&self, side: Side) -> Result<(), RingError> {
        let _queue = self.lock.lock().unwrap();
        if BROKEN != NO_WAKE {
            self.sleeper(side).notify_all();
        }
        Ok(())
    }
}

/// Waits, watching whoever comes; says how the peer ended, if it did.
fn ready<P: Platform>(half: &mut Half<P>) -> Result<(), Tenure> {
    loop {
        match half.wait(None).unwrap() {
            Turn::Ready => return Ok(()),
            Turn::Ended(tenure) => return Err(tenure),
            Turn::Unwatched(tenure) => _ = half.watched(tenure),
            Turn::TimedOut => unreachable!(),
        }
    }
}

/// Commits the numbers from 1 to `count`; how many it could, if the consumer ends before that.
fn produce<const SLOPPY: bool, const BROKEN: u8>(
    half: &mut Half<Model<SLOPPY, BROKEN>>,
    count: u64,
) -> Result<(), Tenure> {
    for number in 1..=count {
        ready(half)?;
        // SAFETY: loom checks that nobody else uses it meanwhile.
        half.platform().frame(half.index()).with_mut(|frame| unsafe { *frame = number });
        half.advance().unwrap();
    }
    Ok(())
}

/// Reads up to `most` frames, which must be the numbers from 1 on; how many there were if the producer ends before that.
fn consume<const SLOPPY: bool, const BROKEN: u8>(
    half: &mut Half<Model<SLOPPY, BROKEN>>,
    most: u64,
) -> Result<(), (u64, Tenure)> {
    for number in 1..=most {
        ready(half).map_err(|tenure| (number - 1, tenure))?;
        // SAFETY: as above.
        half.platform().frame(half.index()).with(|frame| assert_eq!(unsafe { *frame }, number));
        half.advance().unwrap();
    }
    Ok(())
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Three forced changes of the thread: seconds, where all of them would be hours.
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// All frames arrive, each once and in order, then the news that the producer has closed.
fn transfer<const SLOPPY: bool, const BROKEN: u8>(slots: u64, count: u64) {
    explore(move || {
        let model = Model::<SLOPPY, BROKEN>::new(slots);
        let mut producer = model.attach(Side::Producer);
        let mut consumer = model.attach(Side::Consumer);
        let writer = thread::spawn(move || {
            produce(&mut producer, count).unwrap();
            producer.close().unwrap();
        });
        let (read, tenure) = consume(&mut consumer, u64::MAX).unwrap_err();
        assert_eq!((read, tenure.state()), (count, State::Closed));
        writer.join().unwrap();
    });
}

#[test]
fn one_slot() {
    transfer::<false, SOUND>(1, 2);
}

#[test]
fn two_slots() {
    transfer::<false, SOUND>(2, 3);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_a_wake_up_is_lost() {
    transfer::<false, NO_FENCE>(1, 2);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_kernels_compare_a_wake_up_is_lost() {
    transfer::<false, NO_COMPARE>(1, 2);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_waking_nobody_wakes() {
    transfer::<false, NO_WAKE>(1, 2);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_release_frames_are_read_while_they_are_written() {
    transfer::<true, SOUND>(1, 2);
}

#[test]
fn a_side_that_comes_late_is_waited_for() {
    explore(|| {
        let model = Model::<false, SOUND>::new(1);
        let mut consumer = model.attach(Side::Consumer);
        let writer = thread::spawn(move || {
            let mut producer = model.attach(Side::Producer);
            produce(&mut producer, 1).unwrap();
            producer.close().unwrap();
        });
        let (read, tenure) = consume(&mut consumer, u64::MAX).unwrap_err();
        assert_eq!((read, tenure.state()), (1, State::Closed));
        writer.join().unwrap();
    });
}

/// What was committed before the producer died arrives, and then the news of its death.
fn producer_dies<const BROKEN: u8>(slots: u64, count: u64) {
    explore(move || {
        let model = Model::<false, BROKEN>::new(slots);
        let mut producer = model.attach(Side::Producer);
        let mut consumer = model.attach(Side::Consumer);
        let (tenure, _) = holder(&*model, Side::Producer).unwrap();
        let dead = consumer.watched(tenure);
        let writer = thread::spawn(move || {
            produce(&mut producer, count).unwrap();
            // What the kernel tells a watch, it tells after the last thing that the process did.
            announce_death(&*model, Side::Consumer, tenure, &*dead);
        });
        let (read, tenure) = consume(&mut consumer, u64::MAX).unwrap_err();
        assert_eq!((read, tenure.state()), (count, State::Dead));
        writer.join().unwrap();
    });
}

#[test]
fn a_dead_producer_is_noticed_after_its_frames() {
    producer_dies::<SOUND>(1, 1);
    producer_dies::<SOUND>(2, 2);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_a_death_may_go_unnoticed() {
    producer_dies::<NO_FENCE>(1, 1);
}

/// The consumer reads one frame and ends, and the producer, which would go on for ever, hears of it.
fn consumer_ends(slots: u64, closes: bool) {
    explore(move || {
        let model = Model::<false, SOUND>::new(slots);
        let mut producer = model.attach(Side::Producer);
        let mut consumer = model.attach(Side::Consumer);
        let (tenure, _) = holder(&*model, Side::Consumer).unwrap();
        let dead = producer.watched(tenure);
        let reader = thread::spawn(move || {
            consume(&mut consumer, 1).unwrap();
            if closes {
                consumer.close().unwrap();
            } else {
                announce_death(&*model, Side::Producer, tenure, &*dead);
            }
        });
        let ended = produce(&mut producer, u64::MAX).unwrap_err();
        assert_eq!(ended.state(), if closes { State::Closed } else { State::Dead });
        reader.join().unwrap();
    });
}

#[test]
fn a_dead_consumer_is_noticed() {
    consumer_ends(1, false);
    consumer_ends(2, false);
}

#[test]
fn a_consumer_that_closes_is_noticed() {
    consumer_ends(1, true);
    consumer_ends(2, true);
}

#[test]
fn a_role_is_claimed_once() {
    explore(|| {
        let model = Model::<false, SOUND>::new(1);
        let (old, _) = holder(&*model, Side::Producer).unwrap();
        let other = Arc::clone(&model);
        let claims = thread::spawn(move || claim(&*other, Side::Producer, old, 2, 2).unwrap().is_ok());
        let ours = claim(&*model, Side::Producer, old, 1, 1).unwrap().is_ok();
        let theirs = claims.join().unwrap();
        assert!(ours != theirs);
        let (tenure, start_time) = holder(&*model, Side::Producer).unwrap();
        let (pid, started) = if ours { (1, 1) } else { (2, 2) };
        assert_eq!((tenure.pid(), tenure.state(), start_time), (pid, State::Attached, started));
    });
}
