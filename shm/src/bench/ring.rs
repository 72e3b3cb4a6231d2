//! The ring of shm-core, one each way, in memfds: with every message copied in and out, and with frames handed over.
//!
//! Handed over, a message is written and read in the slot: its number at both ends. The bytes between them are written when a
//! slot is used for the first time, while it warms up.

use std::os::fd::OwnedFd;

use shm_core::own::OwnMemory;
use shm_core::ring::{Consumer, Geometry, OpenError, Producer, RingError};

use super::memory::{sealed, second_fd};
use super::message::{Frame, Look, Size};
use super::transport::{Endpoint, Joining, Offer, TransportError, ends, fds_of};

/// How many messages there is room for, each way.
fn slots(size: Size) -> u32 {
    if size.bytes() <= 64 << 10 { 16 } else { 4 }
}

fn geometry(size: Size) -> Geometry {
    Geometry { slots: slots(size), slot_size: size.bytes() as u64 }
}

/// One process's end.
struct Ring {
    out: Producer<OwnMemory>,
    incoming: Consumer<OwnMemory>,
    sent: Frame,
    received: Frame,
    /// Whether every byte is copied.
    copies: bool,
    /// How many slots have never been written.
    unwritten: u32,
}

pub(super) fn offer(size: Size, copies: bool) -> Result<Offer, TransportError> {
    let geometry = geometry(size);
    let memory = || sealed("selkie-bench-ring", geometry.memory_len().unwrap_or(u64::MAX));
    let (out, incoming) = (memory()?, memory()?);
    let fds = vec![second_fd(&out)?, second_fd(&incoming)?];
    let made = |error: OpenError| TransportError::memory(error);
    let out = Producer::create(out, geometry).map_err(made)?;
    let incoming = Consumer::create(incoming, geometry).map_err(made)?;
    Ok(Offer { endpoint: end(size, copies, out, incoming), place: String::new(), fds })
}

pub(super) fn join(joining: Joining, copies: bool) -> Result<Box<dyn Endpoint>, TransportError> {
    let [incoming, out] = fds_of(joining.fds)?;
    let size = joining.size;
    let len = geometry(size).memory_len().unwrap_or(u64::MAX);
    let map = |fd: OwnedFd| OwnMemory::map_shared(fd, len).map_err(TransportError::memory);
    let incoming = Consumer::attach(map(incoming)?).map_err(TransportError::memory)?;
    let out = Producer::attach(map(out)?).map_err(TransportError::memory)?;
    Ok(end(size, copies, out, incoming))
}

fn end(
    size: Size,
    copies: bool,
    out: Producer<OwnMemory>,
    incoming: Consumer<OwnMemory>,
) -> Box<dyn Endpoint> {
    let (sent, received) = (Frame::new(size), Frame::new(size));
    Box::new(Ring { out, incoming, sent, received, copies, unwritten: slots(size) })
}

impl Endpoint for Ring {
    fn send(&mut self, number: u64) -> Result<(), TransportError> {
        let size = self.sent.size().bytes();
        let mut slot = self.out.reserve().map_err(error)?;
        if self.copies || self.unwritten > 0 {
            slot.write_at(0, self.sent.stamped(number)).map_err(TransportError::memory)?;
            // The slots are used one after the other.
            self.unwritten = self.unwritten.saturating_sub(1);
        } else {
            slot.write_at(0, &number.to_ne_bytes()).map_err(TransportError::memory)?;
            slot.write_at(size - 8, &number.to_ne_bytes()).map_err(TransportError::memory)?;
        }
        slot.commit(size).map_err(error)
    }

    fn receive(&mut self, look: Look) -> Result<u64, TransportError> {
        let size = self.received.size();
        let frame = self.incoming.receive().map_err(error)?;
        let number = if self.copies || look == Look::All {
            frame.read_at(0, self.received.bytes()).map_err(TransportError::memory)?;
            self.received.number(look)?
        } else {
            ends(size, |offset, word| frame.read_at(offset, word))?
        };
        frame.release().map_err(error)?;
        Ok(number)
    }
}

fn error(error: RingError) -> TransportError {
    match error {
        RingError::Closed { .. } | RingError::Died { .. } | RingError::NeverCame { .. } => {
            TransportError::PeerGone
        }
        other => TransportError::memory(other),
    }
}
