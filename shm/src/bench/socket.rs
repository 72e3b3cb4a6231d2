//! A connected pair of Unix stream sockets: as with a pipe, the kernel copies every byte in and out again.
//!
//! See `unix(7)`. The buffers are as big as the system makes them (`net.core.wmem_default`).

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::message::{Frame, Look, Size};
use super::transport::{Endpoint, Joining, Offer, TransportError, fds_of};

/// One process's end.
struct Socket {
    stream: UnixStream,
    sent: Frame,
    received: Frame,
}

pub(super) fn offer(size: Size) -> Result<Offer, TransportError> {
    let (ours, theirs) =
        UnixStream::pair().map_err(|source| TransportError::Make { what: "a pair of sockets", source })?;
    Ok(Offer { endpoint: end(size, ours.into()), place: String::new(), fds: vec![theirs.into()] })
}

pub(super) fn join(joining: Joining) -> Result<Box<dyn Endpoint>, TransportError> {
    let [stream] = fds_of(joining.fds)?;
    Ok(end(joining.size, stream))
}

fn end(size: Size, stream: OwnedFd) -> Box<dyn Endpoint> {
    Box::new(Socket { stream: stream.into(), sent: Frame::new(size), received: Frame::new(size) })
}

impl Endpoint for Socket {
    fn send(&mut self, number: u64) -> Result<(), TransportError> {
        self.stream.write_all(self.sent.stamped(number)).map_err(TransportError::send)
    }

    fn receive(&mut self, look: Look) -> Result<u64, TransportError> {
        self.stream.read_exact(self.received.bytes()).map_err(TransportError::receive)?;
        Ok(self.received.number(look)?)
    }
}
