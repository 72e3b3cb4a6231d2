//! The side that reads frames.

use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::layout::Geometry;
use super::protocol::Side;
use super::seat::{Patience, Seat};
use super::{OpenError, RingError};
use crate::shared::{AccessError, Shared};

/// The side of a [ring](crate::ring) that reads frames. Dropped, it closes the ring.
///
/// `S` is the memory, `D` that of the slots, if they have one of their own.
pub struct Consumer<S: Shared, D: Shared = S> {
    seat: Seat<S, D>,
}

impl<S: Shared> Consumer<S> {
    /// Makes a ring of memory whose first bytes are zero, as those of new memory are, and becomes its consumer.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: [`Geometry`](OpenError::Geometry), [`TooSmall`](OpenError::TooSmall) and [`InUse`](OpenError::InUse), besides
    /// those of [`Consumer::attach`].
    pub fn create(memory: S, geometry: Geometry) -> Result<Consumer<S>, OpenError> {
        Ok(Consumer { seat: Seat::create(Side::Consumer, memory, None, geometry)? })
    }

    /// Becomes the consumer of a ring that the other side has made.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: [`NotYet`](OpenError::NotYet) if it has not made it yet, [`Taken`](OpenError::Taken) if the ring has or has
    /// had a consumer.
    pub fn attach(memory: S) -> Result<Consumer<S>, OpenError> {
        Ok(Consumer { seat: Seat::attach(Side::Consumer, memory, None)? })
    }

    /// The same where the ring may have had a consumer, if that is closed or dead.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: [`Taken`](OpenError::Taken) if it is neither.
    pub fn take_over(memory: S) -> Result<Consumer<S>, OpenError> {
        Ok(Consumer { seat: Seat::take_over(Side::Consumer, memory, None)? })
    }
}

impl<S: Shared, D: Shared> Consumer<S, D> {
    /// As [`Consumer::create`], with the slots in a memory of their own, of [these lengths](Geometry::split_memory_len).
    ///
    /// # Errors
    ///
    /// As [`Consumer::create`].
    pub fn create_split(memory: S, slots: D, geometry: Geometry) -> Result<Consumer<S, D>, OpenError> {
        Ok(Consumer { seat: Seat::create(Side::Consumer, memory, Some(slots), geometry)? })
    }

    /// As [`Consumer::attach`], to a ring with its slots in a memory of their own.
    ///
    /// # Errors
    ///
    /// As [`Consumer::attach`], and [`OpenError::Split`].
    pub fn attach_split(memory: S, slots: D) -> Result<Consumer<S, D>, OpenError> {
        Ok(Consumer { seat: Seat::attach(Side::Consumer, memory, Some(slots))? })
    }

    /// As [`Consumer::take_over`], of a ring with its slots in a memory of their own.
    ///
    /// # Errors
    ///
    /// As [`Consumer::take_over`], and [`OpenError::Split`].
    pub fn take_over_split(memory: S, slots: D) -> Result<Consumer<S, D>, OpenError> {
        Ok(Consumer { seat: Seat::take_over(Side::Consumer, memory, Some(slots))? })
    }

    /// How long to watch for a frame before sleeping, at most; 0: not at all. [`DEFAULT_SPIN`](super::DEFAULT_SPIN) otherwise.
    pub fn set_spin(&mut self, limit: Duration) {
        self.seat.set_spin(limit);
    }

    /// Learns from this pidfd of the death of the producer, instead of from the pid that it leaves in the memory: before it has left
    /// one, or where the two are in different pid namespaces. It is for one producer, the next to be waited for, whose end
    /// before it has attached is [`RingError::NeverCame`] to who waits.
    pub fn watch_pidfd(&mut self, pidfd: OwnedFd) {
        self.seat.set_pidfd(pidfd);
    }

    /// The next frame, once there is one.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    pub fn receive(&mut self) -> Result<Frame<'_, S, D>, RingError> {
        self.seat.ready(Patience::Forever)?;
        Frame::new(&mut self.seat)
    }

    /// The next frame, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    pub fn try_receive(&mut self) -> Result<Option<Frame<'_, S, D>>, RingError> {
        let ready = self.seat.ready(Patience::Never)?;
        ready.then(|| Frame::new(&mut self.seat)).transpose()
    }

    /// The next frame, or `None` if there is none after that time.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    pub fn receive_timeout(&mut self, timeout: Duration) -> Result<Option<Frame<'_, S, D>>, RingError> {
        let ready = self.seat.ready(Patience::of(timeout))?;
        ready.then(|| Frame::new(&mut self.seat)).transpose()
    }

    /// Tells the producer that nobody reads any more. Dropping does the same.
    ///
    /// # Errors
    ///
    /// [`RingError::Fault`], [`RingError::Futex`].
    pub fn close(mut self) -> Result<(), RingError> {
        self.seat.close()
    }
}

/// A frame to be read, in place. Dropped, its slot goes back to the producer.
///
/// The producer can write it all the same, if it does not keep to the rules: what is read twice may differ.
pub struct Frame<'a, S: Shared, D: Shared = S> {
    seat: &'a mut Seat<S, D>,
    len: usize,
}

impl<'a, S: Shared, D: Shared> Frame<'a, S, D> {
    fn new(seat: &'a mut Seat<S, D>) -> Result<Frame<'a, S, D>, RingError> {
        let mapped = seat.mapped();
        let len = mapped.length(seat.index(), |word| word.load(Relaxed))?;
        let slot_size = mapped.layout.slot_size;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(slot_size);
        Ok(Frame { seat, len })
    }

    /// Its length in bytes, as the producer has said; no more than that of a slot.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the bytes from `offset` on into `dst`, filling it.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub fn read_at(&self, offset: usize, dst: &mut [u8]) -> Result<(), AccessError> {
        let mapped = self.seat.mapped();
        // SAFETY: `access_at` gives dst.len() readable bytes, and `dst` is not among them: nobody makes references into
        // shared memory.
        mapped.access_at(self.seat.index(), (offset, dst.len(), self.len), |src| unsafe {
            ptr::copy_nonoverlapping(src.cast_const(), dst.as_mut_ptr(), dst.len());
        })
    }

    /// A copy of it.
    ///
    /// # Errors
    ///
    /// [`AccessError::Fault`].
    pub fn to_vec(&self) -> Result<Vec<u8>, AccessError> {
        let mut copy = vec![0; self.len];
        self.read_at(0, &mut copy)?;
        Ok(copy)
    }

    /// Runs `access` on its address and length, under the guard. The pointer is not to be used after that, nor for references:
    /// the producer may write there.
    ///
    /// # Errors
    ///
    /// [`RingError::Fault`] if the memory has vanished.
    pub fn run<R>(&self, access: impl FnOnce(*const u8, usize) -> R) -> Result<R, RingError> {
        let mapped = self.seat.mapped();
        Ok(mapped.access(self.seat.index(), |start| access(start.cast_const(), self.len))?)
    }

    /// Gives the slot back to the producer. Dropping does the same, and says nothing where that fails.
    ///
    /// # Errors
    ///
    /// [`RingError::Fault`], [`RingError::Futex`].
    pub fn release(self) -> Result<(), RingError> {
        let mut frame = std::mem::ManuallyDrop::new(self);
        frame.seat.advance()
    }
}

impl<S: Shared, D: Shared> Drop for Frame<'_, S, D> {
    fn drop(&mut self) {
        if let Err(error) = self.seat.advance() {
            // The next call says the same.
            tracing::debug!(%error, "cannot give a slot back");
        }
    }
}
