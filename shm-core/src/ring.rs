//! A ring of frames between two processes, in shared memory of any kind: one writes them, the other reads them, in place.
//!
//! The producer [reserves](Producer::reserve) a slot, writes into it and [commits](Slot::commit) it; the consumer
//! [receives](Consumer::receive) it as a [`Frame`], reads it and drops it. Nothing is copied on the way, so that a frame of 8 MiB is
//! handed over as fast as one of 64 bytes. As long as both sides are busy there is no system call; who has nothing
//! to do watches for a few microseconds ([`Producer::set_spin`]) and then sleeps.
//!
//! ```
//! use shm_core::own::OwnMemory;
//! use shm_core::ring::{Consumer, Geometry, Producer};
//! use shm_core::seals::Seals;
//!
//! let geometry = Geometry { slots: 4, slot_size: 64 };
//! let memory = OwnMemory::create("frames", geometry.memory_len().unwrap(), Some(Seals::SHRINK | Seals::GROW))?;
//! // Normally in another process, which has got the fd.
//! let theirs = OwnMemory::map_shared(memory.fd().try_clone_to_owned()?, memory.len() as u64)?;
//!
//! let mut producer = Producer::create(memory, geometry)?;
//! let mut consumer = Consumer::attach(theirs)?;
//! let mut slot = producer.reserve()?;
//! slot.write_at(0, b"hello")?;
//! slot.commit(5)?;
//! assert_eq!(consumer.receive()?.to_vec()?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Roles
//!
//! Each side is held by one process at a time: to attach to a side that somebody has is an error ([`OpenError::Taken`]). A side
//! that was closed, or whose process has died, can be had by [`Producer::take_over`] and [`Consumer::take_over`] only. A new
//! producer goes on after the last frame that was committed; a new consumer begins with the oldest frame that was
//! not released, which the old one may have read already.
//!
//! # When the other side ends
//!
//! A side that closes its ring, or is dropped, tells the other: [`RingError::Closed`]. If its process dies, however that
//! happens, the kernel tells (see [`liveness`](crate::liveness)): [`RingError::Died`]. A consumer gets all frames that were committed
//! before it is told; a producer is told at once. Nobody sleeps on.
//!
//! A process that waits for a side that nobody has taken yet waits until somebody does. Who knows which process that will be gives
//! its pidfd ([`Producer::watch_pidfd`], [`Consumer::watch_pidfd`]), and is told if it dies before it has come:
//! [`RingError::NeverCame`]. Processes in different pid namespaces see different pids: give a pidfd of the other there too.
//!
//! # What the other side can do to us
//!
//! It can write whatever it likes into frames, also after it has committed them; check what you have copied out, not what
//! is in the ring. It can lie about the length of a frame, which is cut to that of a slot. It can stop, which is what
//! [`Consumer::receive_timeout`] is for, or keep us from sleeping. An index that cannot be is an error ([`RingError::Corrupt`]). Where
//! slots are, how many and how large, is read once, checked, and kept in our own memory. If the memory can shrink, all
//! accesses run under the [guard](crate::guard), those to the words of the ring too, and a page that is gone is [`RingError::Fault`].
//! It cannot make us read or write anything but this memory.
//!
//! # In memory
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 28 | magic, version, number of slots, their size, whether they are in another memory |
//! | 128 | the producer: state and pid in one word, start time, its waiting flag (a futex) |
//! | 256 | the consumer: the same |
//! | 384 | head: how many frames have been committed; written by the producer only |
//! | 512 | tail: how many have been released; written by the consumer only |
//! | 1024 | the length of the frame in each slot, 8 bytes each |
//! | after that | the slots, from the next multiple of 64 on; slots of 4096 bytes and more begin on multiples of 4096 |
//!
//! Numbers are in the machine's byte order. What is written at every hand-over has a pair of cache lines of its own, and
//! what is seldom written is apart from it. Each side keeps a copy of the other's index and looks at the real one only when the copy
//! gives it nothing more to do.
//!
//! The kernel cannot wait in memory that a driver maps by itself, as it does with most dma-bufs ([`OpenError::NoFutex`]). There the
//! slots alone can be in the dma-buf: [`Producer::create_split`].
//!
//! # Why no wake-up is lost
//!
//! Who is about to sleep sets its flag, makes a `SeqCst` fence and looks again; who brings news writes these, makes a fence and
//! looks at the flag. One fence is the first, so either the news are seen or the flag is, and the kernel compares the flag again
//! under its own lock before it lets anybody sleep. (`ring/protocol.rs` says it at length, and loom tries it.)

mod consumer;
mod layout;
#[cfg(test)]
mod loom_tests;
mod producer;
mod protocol;
mod seat;
mod spin;
mod tenure;
mod words;

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

pub use consumer::{Consumer, Frame};
pub use layout::Geometry;
pub use producer::{Producer, Slot};
pub use protocol::Side;
pub use tenure::State;

use crate::guard::Fault;
use crate::liveness::LivenessError;

/// How long a side that has nothing to do watches for news before it sleeps, at most and if nothing else was said.
///
/// It is less while that is of no use: down to a sixteenth.
pub const DEFAULT_SPIN: Duration = Duration::from_micros(40);

/// Why memory cannot be made or used as a ring.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There can be no such ring.
    #[error(
        "there is no ring of {slots} slots of {slot_size} bytes: both must be at least 1, and their product a length"
    )]
    Geometry {
        /// The number of slots.
        slots: u32,
        /// Their size in bytes.
        slot_size: u64,
    },
    /// The memory is not as long as the ring should be, or says to be.
    #[error("the ring needs {needed} bytes, and the memory has {len}")]
    TooSmall {
        /// What it needs, in bytes; `usize::MAX` if that is no number.
        needed: usize,
        /// What there is, in bytes.
        len: usize,
    },
    /// There is something in the memory already.
    #[error("the memory is in use: a ring is made in memory whose first bytes are zero")]
    InUse,
    /// Nobody has made a ring there yet.
    #[error("there is no ring in the memory yet: try again when the other side has made it")]
    NotYet,
    /// Something else is in the memory.
    #[error("there is no ring in the memory, but something else (it begins with {magic:#018x})")]
    NotARing {
        /// What it begins with.
        magic: u64,
    },
    /// The ring was made by another version of this library.
    #[error("the ring is of version {version}, which this program does not know")]
    Version {
        /// Its version.
        version: u32,
    },
    /// The slots are not where they were looked for.
    #[error("the slots of this ring are {}", if *split { "in another memory: attach with that too" } else { "in the same memory" })]
    Split {
        /// Whether they are in another memory.
        split: bool,
    },
    /// The kernel cannot wait for a word in this kind of memory.
    #[error(
        "the kernel cannot wait in this kind of memory: keep only the slots in it, and the rest in a memfd"
    )]
    NoFutex,
    /// Somebody has this side of the ring.
    #[error("the ring has a {side} (process {pid}, {state:?})")]
    Taken {
        /// Which side.
        side: Side,
        /// Whose it is, or was.
        pid: u32,
        /// What has become of it: a side that is closed or dead can be taken over.
        state: State,
    },
    /// The memory vanished.
    #[error("the memory of the ring vanished (SIGBUS at byte {offset})")]
    Fault {
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// It cannot be said who we are, or whether somebody else lives.
    #[error(transparent)]
    Liveness(#[from] LivenessError),
    /// The ring can be had, but not used.
    #[error(transparent)]
    Ring(#[from] RingError),
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> OpenError {
        OpenError::Fault { offset: fault.offset }
    }
}

/// Why no more frames can be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The other side has closed the ring. A consumer has had all frames before.
    #[error("the {side} has closed the ring")]
    Closed {
        /// The other side.
        side: Side,
    },
    /// The other side's process has ended without closing the ring. A consumer has had all frames before.
    #[error("the {side} (process {pid}) has died")]
    Died {
        /// The other side.
        side: Side,
        /// Its pid.
        pid: u32,
    },
    /// The process that was to be the other side (the pidfd given says which) has ended, and has not attached to the ring. Nobody
    /// else has, either; if somebody does after this, the ring can be used.
    #[error("the {side} has ended before it attached to the ring")]
    NeverCame {
        /// The other side.
        side: Side,
    },
    /// The other side has written what it cannot have meant.
    #[error("the ring is broken: the {side}'s index is {index}, ours {own}, and there are {slots} slots")]
    Corrupt {
        /// The other side.
        side: Side,
        /// Its index.
        index: u64,
        /// Ours.
        own: u64,
        /// How many slots there are.
        slots: u64,
    },
    /// The frame is longer than a slot.
    #[error("a frame of {len} bytes does not fit into a slot of {slot_size}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The slot's, in bytes.
        slot_size: usize,
    },
    /// The memory vanished.
    #[error("the memory of the ring vanished (SIGBUS at byte {offset})")]
    Fault {
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// The kernel cannot wait in the ring's memory, or not any more.
    #[error("cannot wait in the memory of the ring, or wake the other side there")]
    Futex {
        /// What the kernel said: `EFAULT` if the memory has vanished.
        source: io::Error,
    },
    /// The end of the other side could not be learnt of.
    #[error(transparent)]
    Liveness(#[from] LivenessError),
}

impl From<Fault> for RingError {
    fn from(fault: Fault) -> RingError {
        RingError::Fault { offset: fault.offset }
    }
}
