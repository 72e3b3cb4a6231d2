//! Plain shared memory: a region with room for two messages each way, and doorbells in it that say how many were written and
//! how many were read.
//!
//! The same for every mechanism, so that what differs is only how the memory came to be. The one who writes copies a message
//! in and rings; the one who reads sleeps on that doorbell (a futex, with no spinning before it), copies the message out, and
//! rings another, which says that the room is free. Two messages: one is read while the next is written.

use std::sync::Arc;
use std::time::Duration;

use shm_core::doorbell::{Doorbell, DoorbellError};
use shm_core::shared::Shared;

use super::control::Watch;
use super::message::{Frame, Look, Size};
use super::transport::{Endpoint, TransportError};

/// How many messages there is room for, each way.
const ROOM: usize = 2;

/// Bytes between doorbells, so that no two share a cache line, or a pair of them that is fetched together.
const APART: usize = 128;

/// Where the messages begin: behind the doorbells, on a page.
const HEADER: usize = 4096;

/// After so long without a doorbell it is looked whether the other process is still there.
const PATIENCE: Duration = Duration::from_millis(50);

/// Who made the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Maker,
    Joiner,
}

/// How many bytes of memory messages of this size take.
pub(super) fn bytes(size: Size) -> usize {
    HEADER + 2 * ROOM * apart(size)
}

/// From one message to the next: whole pages.
fn apart(size: Size) -> usize {
    size.bytes().next_multiple_of(HEADER)
}

/// One process's end.
pub(super) struct Region<M> {
    memory: Arc<M>,
    out: Way<M>,
    incoming: Way<M>,
    sent: Frame,
    received: Frame,
    watch: Watch,
}

/// What goes one way.
struct Way<M> {
    /// Rung for every message that was written.
    written: Doorbell<M>,
    /// Rung for every message that was read.
    read: Doorbell<M>,
    /// Where its messages begin.
    start: usize,
    /// How many messages this process has written or read, as the doorbells count them.
    count: u32,
}

impl<M: Shared> Way<M> {
    fn new(memory: &Arc<M>, index: usize, size: Size) -> Result<Way<M>, DoorbellError> {
        let bell = |place| Doorbell::new(Arc::clone(memory), place * APART);
        let start = HEADER + index * ROOM * apart(size);
        Ok(Way { written: bell(2 * index)?, read: bell(2 * index + 1)?, start, count: 0 })
    }

    /// Where the next message is.
    fn next(&self, size: Size) -> usize {
        self.start + self.count as usize % ROOM * apart(size)
    }
}

impl<M: Shared> Region<M> {
    /// Takes an end of memory of [`bytes`] bytes that is still as it was made: all zeros.
    pub(super) fn new(memory: M, side: Side, size: Size, watch: Watch) -> Result<Region<M>, TransportError> {
        let memory = Arc::new(memory);
        let way = |index| Way::new(&memory, index, size).map_err(TransportError::memory);
        let (there, back) = (way(0)?, way(1)?);
        let (out, incoming) = if side == Side::Maker { (there, back) } else { (back, there) };
        Ok(Region { memory, out, incoming, sent: Frame::new(size), received: Frame::new(size), watch })
    }
}

/// Sleeps until `bell` has another count than `seen`.
fn wait<M: Shared>(bell: &Doorbell<M>, seen: u32, watch: &Watch) -> Result<(), TransportError> {
    while bell.wait(seen, PATIENCE).map_err(TransportError::memory)? == seen {
        // It may have rung and then ended, so the doorbell is asked once more after that.
        if watch.gone() && bell.count().map_err(TransportError::memory)? == seen {
            return Err(TransportError::PeerGone);
        }
    }
    Ok(())
}

impl<M: Shared> Endpoint for Region<M> {
    fn send(&mut self, number: u64) -> Result<(), TransportError> {
        let bytes = self.sent.stamped(number);
        // The other is ROOM messages behind: there is no room until it has read one.
        wait(&self.out.read, self.out.count.wrapping_sub(ROOM as u32), &self.watch)?;
        let size = self.received.size();
        self.memory.write_at(self.out.next(size), bytes).map_err(TransportError::memory)?;
        self.out.count = self.out.count.wrapping_add(1);
        self.out.written.ring().map_err(TransportError::memory)
    }

    fn receive(&mut self, look: Look) -> Result<u64, TransportError> {
        wait(&self.incoming.written, self.incoming.count, &self.watch)?;
        let place = self.incoming.next(self.received.size());
        self.memory.read_at(place, self.received.bytes()).map_err(TransportError::memory)?;
        self.incoming.count = self.incoming.count.wrapping_add(1);
        self.incoming.read.ring().map_err(TransportError::memory)?;
        Ok(self.received.number(look)?)
    }
}
