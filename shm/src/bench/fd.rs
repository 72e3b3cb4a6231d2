//! An fd per message: the frame is handed over, not copied.
//!
//! Each process has a few memfds of its own, filled before anything is measured, as a Wayland client has buffers. To send
//! is to write the message's number at both ends of one, in place, and to pass its fd with one byte (`SCM_RIGHTS`). To
//! receive is to map what came, read both ends, unmap and close it, and to say with one byte that the frame is free again.
//! So what is measured is what a compositor pays that keeps no mapping from one frame to the next.
//!
//! See `unix(7)`, `cmsg(3)`.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use shm_core::fdpass;
use shm_core::mapping::{Mapping, Sealed};
use shm_core::own::OwnMemory;

use super::memory::sealed;
use super::message::{Frame, Look, Size};
use super::transport::{Endpoint, Joining, Offer, TransportError, ends, fds_of};

/// How many frames may be under way, each way.
const FRAMES: usize = 4;

/// One process's end.
struct Handover {
    size: Size,
    /// Frames go out here, and come back as bytes.
    out: UnixStream,
    /// The other process's frames come here.
    incoming: UnixStream,
    frames: Vec<OwnMemory>,
    /// How many of our frames the other process has.
    away: usize,
    next: usize,
    /// Where a whole frame is copied to be looked at.
    received: Frame,
}

pub(super) fn offer(size: Size) -> Result<Offer, TransportError> {
    let pair =
        || UnixStream::pair().map_err(|source| TransportError::Make { what: "a pair of sockets", source });
    let (our_out, their_in) = pair()?;
    let (our_in, their_out) = pair()?;
    let endpoint = end(size, our_in.into(), our_out.into())?;
    Ok(Offer { endpoint, place: String::new(), fds: vec![their_in.into(), their_out.into()] })
}

pub(super) fn join(joining: Joining) -> Result<Box<dyn Endpoint>, TransportError> {
    let [incoming, out] = fds_of(joining.fds)?;
    end(joining.size, incoming, out)
}

fn end(size: Size, incoming: OwnedFd, out: OwnedFd) -> Result<Box<dyn Endpoint>, TransportError> {
    let mut frames = Vec::new();
    let mut pattern = Frame::new(size);
    for _ in 0..FRAMES {
        let mut frame = sealed("selkie-bench-frame", size.bytes() as u64)?;
        frame.write_at(0, pattern.stamped(0)).map_err(TransportError::memory)?;
        frames.push(frame);
    }
    let (out, incoming) = (out.into(), incoming.into());
    Ok(Box::new(Handover { size, out, incoming, frames, away: 0, next: 0, received: pattern }))
}

impl Endpoint for Handover {
    fn send(&mut self, number: u64) -> Result<(), TransportError> {
        if self.away == FRAMES {
            let mut back = [0; FRAMES];
            let count = self.out.read(&mut back).map_err(TransportError::receive)?;
            if count == 0 {
                return Err(TransportError::PeerGone);
            }
            self.away -= count.min(self.away);
        }
        // There are FRAMES of them, and they are given back in the order in which they went.
        let frame = &mut self.frames[self.next];
        let end = self.size.bytes() - 8;
        frame.write_at(0, &number.to_ne_bytes()).map_err(TransportError::memory)?;
        frame.write_at(end, &number.to_ne_bytes()).map_err(TransportError::memory)?;
        fdpass::send(&self.out, &[0], &[frame.fd()]).map_err(TransportError::pass)?;
        self.away += 1;
        self.next = (self.next + 1) % FRAMES;
        Ok(())
    }

    fn receive(&mut self, look: Look) -> Result<u64, TransportError> {
        let mut received = fdpass::recv(&self.incoming, &mut [0], 1).map_err(TransportError::pass)?;
        let fd = received.fds.pop().ok_or(TransportError::NoFd)?;
        let frame =
            Mapping::<Sealed>::new(fd.as_fd(), self.size.bytes() as u64).map_err(TransportError::memory)?;
        let number = if look == Look::All {
            frame.copy_to(0, self.received.bytes()).map_err(TransportError::memory)?;
            self.received.number(look)?
        } else {
            ends(self.size, |offset, word| frame.copy_to(offset, word))?
        };
        drop(frame);
        drop(fd);
        self.incoming.write_all(&[0]).map_err(TransportError::send)?;
        Ok(number)
    }
}
