//! The side that writes frames.

use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::layout::Geometry;
use super::protocol::Side;
use super::seat::{Patience, Seat};
use super::{OpenError, RingError};
use crate::shared::{AccessError, Shared};

/// The side of a [ring](crate::ring) that writes frames. Dropped, it closes the ring.
///
/// `S` is the memory, `D` that of the slots, if they have one of their own.
pub struct Producer<S: Shared, D: Shared = S> {
    seat: Seat<S, D>,
}

impl<S: Shared> Producer<S> {
    /// Makes a ring of memory whose first bytes are zero, as those of new memory are, and becomes its producer.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: [`Geometry`](OpenError::Geometry), [`TooSmall`](OpenError::TooSmall) and [`InUse`](OpenError::InUse), besides
    /// those of [`Producer::attach`].
    pub fn create(memory: S, geometry: Geometry) -> Result<Producer<S>, OpenError> {
        Ok(Producer { seat: Seat::create(Side::Producer, memory, None, geometry)? })
    }

    /// Becomes the producer of a ring that the other side has made.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: [`NotYet`](OpenError::NotYet) if it has not made it yet, [`Taken`](OpenError::Taken) if the ring has or has
    /// had a producer.
    pub fn attach(memory: S) -> Result<Producer<S>, OpenError> {
        Ok(Producer { seat: Seat::attach(Side::Producer, memory, None)? })
    }

    /// The same where the ring may have had a producer, if that is closed or dead.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: [`Taken`](OpenError::Taken) if it is neither.
    pub fn take_over(memory: S) -> Result<Producer<S>, OpenError> {
        Ok(Producer { seat: Seat::take_over(Side::Producer, memory, None)? })
    }
}

impl<S: Shared, D: Shared> Producer<S, D> {
    /// As [`Producer::create`], with the slots in a memory of their own, of [these lengths](Geometry::split_memory_len).
    ///
    /// # Errors
    ///
    /// As [`Producer::create`].
    pub fn create_split(memory: S, slots: D, geometry: Geometry) -> Result<Producer<S, D>, OpenError> {
        Ok(Producer { seat: Seat::create(Side::Producer, memory, Some(slots), geometry)? })
    }

    /// As [`Producer::attach`], to a ring with its slots in a memory of their own.
    ///
    /// # Errors
    ///
    /// As [`Producer::attach`], and [`OpenError::Split`].
    pub fn attach_split(memory: S, slots: D) -> Result<Producer<S, D>, OpenError> {
        Ok(Producer { seat: Seat::attach(Side::Producer, memory, Some(slots))? })
    }

    /// As [`Producer::take_over`], of a ring with its slots in a memory of their own.
    ///
    /// # Errors
    ///
    /// As [`Producer::take_over`], and [`OpenError::Split`].
    pub fn take_over_split(memory: S, slots: D) -> Result<Producer<S, D>, OpenError> {
        Ok(Producer { seat: Seat::take_over(Side::Producer, memory, Some(slots))? })
    }

    /// How long to watch for room before sleeping, at most; 0: not at all. [`DEFAULT_SPIN`](super::DEFAULT_SPIN) otherwise.
    pub fn set_spin(&mut self, limit: Duration) {
        self.seat.set_spin(limit);
    }

    /// Learns from this pidfd of the death of the consumer, instead of from the pid that it leaves in the memory: before it has left
    /// one, or where the two are in different pid namespaces. It is for one consumer, the next to be waited for, whose end
    /// before it has attached is [`RingError::NeverCame`] to who waits.
    pub fn watch_pidfd(&mut self, pidfd: OwnedFd) {
        self.seat.set_pidfd(pidfd);
    }

    /// The size of a slot in bytes.
    pub fn slot_size(&self) -> usize {
        self.seat.mapped().layout.slot_size
    }

    /// The next free slot, once there is one.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    pub fn reserve(&mut self) -> Result<Slot<'_, S, D>, RingError> {
        self.seat.ready(Patience::Forever)?;
        Ok(Slot { seat: &mut self.seat })
    }

    /// The next free slot, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    pub fn try_reserve(&mut self) -> Result<Option<Slot<'_, S, D>>, RingError> {
        let ready = self.seat.ready(Patience::Never)?;
        Ok(ready.then_some(Slot { seat: &mut self.seat }))
    }

    /// The next free slot, or `None` if there is none after that time.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    pub fn reserve_timeout(&mut self, timeout: Duration) -> Result<Option<Slot<'_, S, D>>, RingError> {
        let ready = self.seat.ready(Patience::of(timeout))?;
        Ok(ready.then_some(Slot { seat: &mut self.seat }))
    }

    /// Tells the consumer that there will be no more frames; it gets those that are there. Dropping does the same.
    ///
    /// # Errors
    ///
    /// [`RingError::Fault`], [`RingError::Futex`].
    pub fn close(mut self) -> Result<(), RingError> {
        self.seat.close()
    }
}

/// A slot to be written. Dropped without [`Slot::commit`], it stays free.
pub struct Slot<'a, S: Shared, D: Shared = S> {
    seat: &'a mut Seat<S, D>,
}

impl<S: Shared, D: Shared> Slot<'_, S, D> {
    /// How many bytes there is room for.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.seat.mapped().layout.slot_size
    }

    /// Copies `src` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; if it does not fit, nothing is written.
    pub fn write_at(&mut self, offset: usize, src: &[u8]) -> Result<(), AccessError> {
        let mapped = self.seat.mapped();
        let range = (offset, src.len(), usize::MAX);
        // SAFETY: `access_at` gives src.len() writable bytes, and `src` is not among them: nobody makes references into
        // shared memory.
        mapped.access_at(self.seat.index(), range, |dst| unsafe {
            ptr::copy_nonoverlapping(src.as_ptr(), dst, src.len());
        })
    }

    /// Runs `access` on the address of the slot, whose length is [`Slot::len`], under the guard. The bytes are what the frame before
    /// has left there. The pointer is not to be used after that, nor for references; the consumer may look on.
    ///
    /// # Errors
    ///
    /// [`RingError::Fault`] if the memory has vanished.
    pub fn run<R>(&mut self, access: impl FnOnce(*mut u8, usize) -> R) -> Result<R, RingError> {
        let len = self.len();
        Ok(self.seat.mapped().access(self.seat.index(), |start| access(start, len))?)
    }

    /// Hands the first `len` bytes over to the consumer.
    ///
    /// # Errors
    ///
    /// [`RingError::TooLong`], [`RingError::Fault`]. With [`RingError::Futex`] the frame is handed over.
    pub fn commit(self, len: usize) -> Result<(), RingError> {
        let mapped = self.seat.mapped();
        let slot_size = mapped.layout.slot_size;
        let too_long = RingError::TooLong { len, slot_size };
        let Some(length) = u64::try_from(len).ok().filter(|_| len <= slot_size) else { return Err(too_long) };
        // The index that follows publishes this too.
        mapped.length(self.seat.index(), |word| word.store(length, Relaxed))?;
        self.seat.advance()
    }
}
