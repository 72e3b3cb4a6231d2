//! The slots, and what is in one: a piece of a line.
//!
//! Who may use a slot is decided by the semaphores. The counters beside them are for the one question that semaphores cannot
//! answer, how far the other side had come when it ended; each has one writer, and is written before the semaphore is posted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shm_core::liveness::{Process, Watch};
use shm_core::own::OwnMemory;
use shm_core::semaphore::Semaphore;
use shm_core::shared::{AccessError, Shared};

use super::LinesError;

/// What a slot takes, in bytes.
pub(super) const SLOT: usize = 1024;
/// Its number, the length of the piece and what it is stand before the piece.
const HEAD: usize = 16;
/// How many bytes of a line fit into one slot.
pub(super) const PIECE: usize = SLOT - HEAD;
/// More would be 1 GiB.
pub const MAX_SLOTS: u32 = 1 << 20;

/// Where the first slot is: the header and the counters have a page.
const FIRST: usize = 4096;
/// How many slots have been filled.
const FILLED: usize = 128;
/// How many slots have been read, and, beside it, how many lines.
const READ: usize = 192;
const READ_LINES: usize = READ + 8;

/// How large the memory is for so many slots, in bytes.
pub(super) fn size(slots: u32) -> u64 {
    FIRST as u64 + u64::from(slots) * SLOT as u64
}

/// What stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A piece of a line, and more of it follows.
    Part,
    /// The last piece of a line: a newline follows.
    Line,
    /// Nothing: there are no more lines.
    End,
}

/// A piece as it was read.
pub(super) struct Piece<'a> {
    pub kind: Kind,
    pub bytes: &'a [u8],
}

/// The memory with the slots.
#[derive(Debug)]
pub(super) struct Ring {
    memory: OwnMemory,
    slots: u32,
}

impl Ring {
    /// `memory` has at least [`size`] bytes for so many slots, and `slots` is not 0.
    pub(super) fn new(memory: OwnMemory, slots: u32) -> Ring {
        Ring { memory, slots }
    }

    pub(super) fn memory(&self) -> &OwnMemory {
        &self.memory
    }

    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    fn place(&self, number: u64) -> usize {
        // Less than 1 << 20 slots, so it is far from any limit.
        FIRST + (number % u64::from(self.slots)) as usize * SLOT
    }

    /// Fills the slot that is number `number` of all that are ever filled; no more than [`PIECE`] bytes.
    pub(super) fn put(&self, number: u64, kind: Kind, bytes: &[u8]) -> Result<(), AccessError> {
        let kind: u32 = match kind {
            Kind::Part => 0,
            Kind::Line => 1,
            Kind::End => 2,
        };
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&number.to_ne_bytes());
        head[8..12].copy_from_slice(&(bytes.len() as u32).to_ne_bytes());
        head[12..].copy_from_slice(&kind.to_ne_bytes());
        let place = self.place(number);
        Shared::write_at(&self.memory, place, &head)?;
        Shared::write_at(&self.memory, place + HEAD, bytes)?;
        self.set(FILLED, number + 1)
    }

    /// Reads it, into a buffer.
    ///
    /// The inner error is a sentence about what is wrong with it: nothing that the other side writes is believed.
    pub(super) fn get<'a>(
        &self,
        number: u64,
        buffer: &'a mut [u8; SLOT],
    ) -> Result<Result<Piece<'a>, String>, AccessError> {
        Shared::read_at(&self.memory, self.place(number), buffer)?;
        Ok(understand(number, buffer))
    }

    /// Says that so many slots have been read, and so many whole lines.
    pub(super) fn set_read(&self, slots: u64, lines: u64) -> Result<(), AccessError> {
        self.set(READ_LINES, lines)?;
        self.set(READ, slots)
    }

    pub(super) fn filled(&self) -> Result<u64, AccessError> {
        self.counter(FILLED)
    }

    pub(super) fn read(&self) -> Result<u64, AccessError> {
        self.counter(READ)
    }

    pub(super) fn lines_read(&self) -> Result<u64, AccessError> {
        self.counter(READ_LINES)
    }

    fn set(&self, at: usize, value: u64) -> Result<(), AccessError> {
        Shared::write_at(&self.memory, at, &value.to_ne_bytes())
    }

    fn counter(&self, at: usize) -> Result<u64, AccessError> {
        let mut bytes = [0; 8];
        Shared::read_at(&self.memory, at, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

fn understand(number: u64, slot: &[u8; SLOT]) -> Result<Piece<'_>, String> {
    let word = |at: usize| u32::from_ne_bytes([slot[at], slot[at + 1], slot[at + 2], slot[at + 3]]);
    let mut found = [0; 8];
    found.copy_from_slice(&slot[..8]);
    let found = u64::from_ne_bytes(found);
    if found != number {
        return Err(format!("piece {found} stands where {number} was to come"));
    }
    let kind = match word(12) {
        0 => Kind::Part,
        1 => Kind::Line,
        2 => Kind::End,
        other => return Err(format!("a piece is of the kind {other}")),
    };
    let bytes = slot[HEAD..].get(..word(8) as usize).filter(|bytes| kind != Kind::End || bytes.is_empty());
    let bytes = bytes.ok_or_else(|| format!("a piece of {} bytes", word(8)))?;
    Ok(Piece { kind, bytes })
}

/// The other side, and whether it has ended.
#[derive(Debug)]
pub(super) struct Peer {
    pub process: Process,
    dead: Arc<AtomicBool>,
    _watch: Watch,
}

impl Peer {
    /// Watches it. At its end this semaphore is posted, so that who waits for it wakes and finds [`Peer::is_dead`].
    pub(super) fn watch(process: Process, wakes: &Arc<Semaphore>) -> Result<Peer, LinesError> {
        let dead = Arc::new(AtomicBool::new(false));
        let (told, wakes) = (Arc::clone(&dead), Arc::clone(wakes));
        let watch = Watch::new(process, move || {
            told.store(true, Ordering::Release);
            // It can only fail if the count is at its limit, and then nobody waits.
            if let Err(error) = wakes.post() {
                tracing::debug!(%error, "nobody to be woken");
            }
        })?;
        Ok(Peer { process, dead, _watch: watch })
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_slots_are_used_again() {
        let memory = OwnMemory::create("selkie-test", size(2), None).unwrap();
        let ring = Ring::new(memory, 2);
        let mut buffer = [0; SLOT];
        for (number, kind, bytes) in [
            (0, Kind::Part, &[7; PIECE][..]),
            (1, Kind::Line, b""),
            (2, Kind::Line, b"a\0b"),
            (3, Kind::End, b""),
        ] {
            ring.put(number, kind, bytes).unwrap();
            let piece = ring.get(number, &mut buffer).unwrap().unwrap();
            assert_eq!((piece.kind, piece.bytes), (kind, bytes));
            assert_eq!(ring.filled().unwrap(), number + 1);
        }
        let error = ring.get(0, &mut buffer).unwrap().err().unwrap();
        assert_eq!(error, "piece 2 stands where 0 was to come");
    }

    #[test]
    fn nonsense_is_not_believed() {
        let slot = |length: u32, kind: u32| {
            let mut slot = [0; SLOT];
            slot[8..12].copy_from_slice(&length.to_ne_bytes());
            slot[12..16].copy_from_slice(&kind.to_ne_bytes());
            slot
        };
        for (length, kind, why) in [
            (PIECE as u32 + 1, 0, "a piece of 1009 bytes"),
            (u32::MAX, 1, "a piece of 4294967295 bytes"),
            (1, 2, "a piece of 1 bytes"),
            (0, 3, "a piece is of the kind 3"),
        ] {
            assert_eq!(understand(0, &slot(length, kind)).err().unwrap(), why);
        }
        assert!(understand(0, &slot(PIECE as u32, 0)).is_ok());
    }
}
