//! The words that both sides of a ring write, laid out so that a hand-over moves few cache lines.

use std::sync::atomic::Ordering::{self, AcqRel, Acquire};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::protocol::Side;

/// An atomic word of 32 bits: the machine's, or loom's.
pub(crate) trait Word32: Send + Sync + 'static {
    fn new(value: u32) -> Self;
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
    fn swap(&self, value: u32, order: Ordering) -> u32;
}

/// The same of 64 bits.
pub(crate) trait Word64: Send + Sync + 'static {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64>;
}

impl Word32 for AtomicU32 {
    fn new(value: u32) -> AtomicU32 {
        AtomicU32::new(value)
    }

    #[inline]
    fn load(&self, order: Ordering) -> u32 {
        self.load(order)
    }

    #[inline]
    fn store(&self, value: u32, order: Ordering) {
        self.store(value, order);
    }

    #[inline]
    fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.swap(value, order)
    }
}

impl Word64 for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    #[inline]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange(current, new, AcqRel, Acquire)
    }
}

/// What is written once in a while, and read at every hand-over: it stays in everybody's cache.
// Processors fetch lines of 64 bytes in pairs.
#[repr(C, align(128))]
pub(crate) struct End<A, B> {
    pub(crate) tenure: B,
    pub(crate) start_time: B,
    /// 1 if the side sleeps, or is about to: its futex word.
    pub(crate) waiting: A,
}

/// What one side writes at every hand-over.
#[repr(C, align(128))]
pub(crate) struct Index<B>(pub(crate) B);

/// All of them; `A` are words of 32 bits, `B` of 64.
#[repr(C)]
pub(crate) struct Words<A, B> {
    pub(crate) producer: End<A, B>,
    pub(crate) consumer: End<A, B>,
    pub(crate) head: Index<B>,
    pub(crate) tail: Index<B>,
}

impl<A, B> Words<A, B> {
    #[inline]
    pub(crate) fn end(&self, side: Side) -> &End<A, B> {
        match side {
            Side::Producer => &self.producer,
            Side::Consumer => &self.consumer,
        }
    }

    /// How many frames the side has committed, or released.
    #[inline]
    pub(crate) fn index(&self, side: Side) -> &B {
        match side {
            Side::Producer => &self.head.0,
            Side::Consumer => &self.tail.0,
        }
    }
}
