//! Two pipes, one each way: the kernel copies every byte in and out again.
//!
//! See `pipe(7)`. The pipes hold what the system gives them: 64 KiB, so that a bigger message takes the reader's
//! help to be written.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::pipe::PipeFlags;

use super::message::{Frame, Look, Size};
use super::transport::{Endpoint, Joining, Offer, TransportError, fds_of};

/// One process's ends.
struct Pipes {
    out: File,
    incoming: File,
    sent: Frame,
    received: Frame,
}

pub(super) fn offer(size: Size) -> Result<Offer, TransportError> {
    let pipe = || {
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
            .map_err(|error| TransportError::Make { what: "a pipe", source: error.into() })
    };
    let (their_in, our_out) = pipe()?;
    let (our_in, their_out) = pipe()?;
    Ok(Offer { endpoint: end(size, our_in, our_out), place: String::new(), fds: vec![their_in, their_out] })
}

pub(super) fn join(joining: Joining) -> Result<Box<dyn Endpoint>, TransportError> {
    let [incoming, out] = fds_of(joining.fds)?;
    Ok(end(joining.size, incoming, out))
}

fn end(size: Size, incoming: OwnedFd, out: OwnedFd) -> Box<dyn Endpoint> {
    let (sent, received) = (Frame::new(size), Frame::new(size));
    Box::new(Pipes { out: out.into(), incoming: incoming.into(), sent, received })
}

impl Endpoint for Pipes {
    fn send(&mut self, number: u64) -> Result<(), TransportError> {
        self.out.write_all(self.sent.stamped(number)).map_err(TransportError::send)
    }

    fn receive(&mut self, look: Look) -> Result<u64, TransportError> {
        self.incoming.read_exact(self.received.bytes()).map_err(TransportError::receive)?;
        Ok(self.received.number(look)?)
    }
}
