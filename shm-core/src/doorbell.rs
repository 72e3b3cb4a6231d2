//! The least that processes need to tell each other something through memory that they share: a counter that one adds to, and
//! that another sleeps on until it moves (`futex(2)`).
//!
//! Shared memory by itself makes nobody wait. A [`Doorbell`] is what a pipe's reader gets for nothing; what is
//! announced by it is up to the two. Whoever waits gives a limit, and asks then whether the other process is still
//! there: a futex does not tell.
//!
//! Eight bytes of the memory are the doorbell's: the counter, and how many sleep on it, so that ringing costs a system call
//! only if somebody sleeps. Both start at 0, as new memory does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::futex;
use crate::guard::Fault;
use crate::shared::{AccessError, Shared};

/// A counter in shared memory that others can wait for.
#[derive(Debug)]
pub struct Doorbell<M> {
    memory: Arc<M>,
    offset: usize,
}

impl<M> Clone for Doorbell<M> {
    fn clone(&self) -> Self {
        Doorbell { memory: Arc::clone(&self.memory), offset: self.offset }
    }
}

impl<M: Shared> Doorbell<M> {
    /// How many bytes of the memory it takes.
    pub const SIZE: usize = 8;

    /// The doorbell whose bytes are at `offset`; other processes name the same place. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`DoorbellError::Place`] if the eight bytes are not within the memory, or `offset` is no multiple of 4.
    pub fn new(memory: Arc<M>, offset: usize) -> Result<Doorbell<M>, DoorbellError> {
        let end = offset.checked_add(Self::SIZE);
        if end.is_none_or(|end| end > memory.len()) || !offset.is_multiple_of(align_of::<AtomicU32>()) {
            return Err(DoorbellError::Place { offset, len: memory.len() });
        }
        Ok(Doorbell { memory, offset })
    }

    /// How often it was rung, from 0; after `u32::MAX` it is 0 again.
    ///
    /// What another process wrote before it rang is there to be read once this has moved.
    ///
    /// # Errors
    ///
    /// [`DoorbellError::Gone`].
    pub fn count(&self) -> Result<u32, DoorbellError> {
        self.with(|count, _| count.load(Ordering::Acquire))
    }

    /// Adds one, and wakes whoever waits.
    ///
    /// # Errors
    ///
    /// [`DoorbellError::Gone`], [`DoorbellError::Futex`].
    pub fn ring(&self) -> Result<(), DoorbellError> {
        self.with(|count, sleepers| {
            // Of the two, this and the one who goes to sleep, each writes its word and then reads the other's. In the one
            // order that SeqCst gives to all four, at least one sees what the other wrote: either we see the sleeper,
            // or it sees the new count (the kernel looks once more) and does not sleep.
            count.fetch_add(1, Ordering::SeqCst);
            if sleepers.load(Ordering::SeqCst) == 0 {
                return Ok(0);
            }
            futex::wake(count)
        })?
        .map(drop)
        .map_err(|source| DoorbellError::Futex { source })
    }

    /// Sleeps until the count is not `seen`, or for `limit` at most, and gives the count: if that is `seen`, the time was
    /// up. May also return early with `seen`, because of a signal.
    ///
    /// # Errors
    ///
    /// [`DoorbellError::Gone`], [`DoorbellError::Futex`].
    pub fn wait(&self, seen: u32, limit: Duration) -> Result<u32, DoorbellError> {
        self.with(|count, sleepers| {
            let now = count.load(Ordering::Acquire);
            if now != seen {
                return Ok(now);
            }
            // A process that is killed while it sleeps is counted for ever: it costs the others a system call.
            sleepers.fetch_add(1, Ordering::SeqCst);
            let woken = futex::wait(count, seen, Some(limit));
            sleepers.fetch_sub(1, Ordering::SeqCst);
            woken.map(|_| count.load(Ordering::Acquire)).map_err(|source| DoorbellError::Futex { source })
        })?
    }

    /// The counter and the number of sleepers, under the guard.
    fn with<R>(&self, access: impl FnOnce(&AtomicU32, &AtomicU32) -> R) -> Result<R, DoorbellError> {
        let gone = |Fault { offset }| DoorbellError::Gone { source: AccessError::Fault { offset } };
        let run = self.memory.run(|start| {
            // SAFETY: `new` has checked that both words are within the memory and aligned (its start is, to a page), and the
            // memory is mapped for reading and writing as long as it lives; references to atomics are what `Shared` allows.
            let (count, sleepers) = unsafe {
                let count = start.add(self.offset).cast::<AtomicU32>();
                (&*count, &*count.add(1))
            };
            access(count, sleepers)
        });
        run.map_err(gone)
    }
}

/// Why a doorbell cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DoorbellError {
    /// It cannot be there.
    #[error(
        "no doorbell can be at byte {offset} of a memory of {len} bytes: it takes 8, from a multiple of 4 on"
    )]
    Place {
        /// Where it should be.
        offset: usize,
        /// The length of the memory in bytes.
        len: usize,
    },
    /// The memory has vanished.
    #[error("cannot use the doorbell")]
    Gone {
        /// Where.
        source: AccessError,
    },
    /// The kernel cannot wait there.
    #[error("cannot wait in this memory, or wake who waits in it")]
    Futex {
        /// What the kernel said: `EFAULT` in memory of a driver (a dma-buf), or if the page has vanished.
        source: io::Error,
    },
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::own::OwnMemory;

    fn memory() -> Arc<OwnMemory> {
        Arc::new(OwnMemory::create("selkie-test", 4096, None).unwrap())
    }

    /// The same memory, at another address.
    fn again(memory: &OwnMemory) -> Arc<OwnMemory> {
        let fd = memory.fd().try_clone_to_owned().unwrap();
        Arc::new(OwnMemory::map_shared(fd, 4096).unwrap())
    }

    #[test]
    fn it_wakes_who_waits_at_another_address() {
        let memory = memory();
        let (here, there) =
            (Doorbell::new(Arc::clone(&memory), 64).unwrap(), Doorbell::new(again(&memory), 64).unwrap());
        let far = Duration::from_secs(60);
        let waits = std::thread::spawn(move || {
            for seen in 0..1000 {
                let mut count = seen;
                while count == seen {
                    count = there.wait(seen, far).unwrap();
                }
            }
            there.count().unwrap()
        });
        for _ in 0..1000 {
            here.ring().unwrap();
        }
        assert_eq!(waits.join().unwrap(), 1000);
    }

    #[test]
    fn neither_of_two_who_ring_in_turn_sleeps_for_ever() {
        let memory = memory();
        let bell = |memory: &Arc<OwnMemory>, offset| Doorbell::new(Arc::clone(memory), offset).unwrap();
        let (ping, pong) = (bell(&memory, 0), bell(&memory, 64));
        let other = again(&memory);
        let (their_ping, their_pong) = (bell(&other, 0), bell(&other, 64));
        let until = |bell: &Doorbell<OwnMemory>, seen| {
            // A wake that was lost would show as a minute, and the test's own limit ends that.
            while bell.wait(seen, Duration::from_secs(60)).unwrap() == seen {}
        };
        let peer = std::thread::spawn(move || {
            for seen in 0..20_000 {
                until(&their_ping, seen);
                their_pong.ring().unwrap();
            }
        });
        for seen in 0..20_000 {
            ping.ring().unwrap();
            until(&pong, seen);
        }
        peer.join().unwrap();
    }

    #[test]
    fn time_runs_out() {
        let bell = Doorbell::new(memory(), 0).unwrap();
        assert_eq!(bell.wait(0, Duration::from_millis(1)).unwrap(), 0);
        // The sleeper is no longer counted.
        let (mut sleepers, bell) = ([1; 4], bell);
        Shared::read_at(&*bell.memory, 4, &mut sleepers).unwrap();
        assert_eq!(sleepers, [0; 4]);
    }

    #[test]
    fn it_must_be_within_the_memory_and_aligned() {
        for offset in [4089, 4092, 4096, usize::MAX, 2] {
            let error = Doorbell::new(memory(), offset).unwrap_err();
            assert!(matches!(error, DoorbellError::Place { .. }), "{offset}: {error}");
        }
        Doorbell::new(memory(), 4088).unwrap();
    }

    #[test]
    fn memory_that_is_gone_is_an_error() {
        let memory = memory();
        let bell = Doorbell::new(Arc::clone(&memory), 0).unwrap();
        rustix::fs::ftruncate(&memory, 0).unwrap();
        assert!(matches!(bell.ring(), Err(DoorbellError::Gone { .. })));
        assert!(matches!(bell.count(), Err(DoorbellError::Gone { .. })));
        assert!(matches!(bell.wait(0, Duration::from_millis(1)), Err(DoorbellError::Gone { .. })));
    }
}
