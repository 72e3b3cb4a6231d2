//! The end of a connection by the compositor: the program is told why as if nobody stood between, and so is the report.
//!
//! wl-proxy does not pass on `wl_display.error`, which is the last that a connection sees; and if the compositor has hung up
//! already, it does not read it. So that one event is read and written here.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wl_proxy::object::{Object, ObjectCoreApi};
use wl_proxy::state::StateHandler;

use super::Record;

/// More than a compositor can have said after what was read.
const MOST_UNREAD: usize = 1 << 20;

/// Both sockets of a connection.
pub(super) struct Ends {
    pub program: UnixStream,
    pub compositor: UnixStream,
}

/// `wl_display.error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProtocolError {
    /// The object's number, as the compositor knows it.
    pub object: u32,
    /// The interface of the object, if it is known.
    pub interface: Option<&'static str>,
    pub code: u32,
    pub message: String,
}

impl std::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.interface {
            Some(interface) => write!(f, "{interface} error {}: {}", self.code, self.message),
            None => write!(f, "protocol error {}: {}", self.code, self.message),
        }
    }
}

impl Ends {
    /// Whether the compositor has closed the connection. What it sent before may be unread.
    pub fn hung_up(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut asked = [PollFd::new(&self.compositor, PollFlags::empty())];
        poll(&mut asked, Some(&at_once)).is_ok() && asked[0].revents().contains(PollFlags::HUP)
    }

    /// The error that the compositor has sent and nobody has read.
    pub fn last_words(&self) -> Option<ProtocolError> {
        self.compositor.set_nonblocking(true).ok()?;
        let mut bytes = Vec::new();
        // It ends with the end of the stream, or when there is nothing more.
        let _ = (&self.compositor).take(MOST_UNREAD as u64).read_to_end(&mut bytes);
        parse(&bytes)
    }

    /// Tells the program of an error with an object, by the number that the program knows.
    pub fn tell(&self, object: u32, error: &ProtocolError) {
        // What does not fit into the socket now never arrives; the program has not listened for long.
        let _ = self.program.set_nonblocking(true);
        let _ = (&self.program).write_all(&event(object, error));
    }
}

/// Finds the error among messages.
fn parse(mut bytes: &[u8]) -> Option<ProtocolError> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (object, head) = (word(0)?, word(4)?);
    let size = usize::try_from(head >> 16).ok()?;
    let message = bytes.get(..size).filter(|m| m.len() >= 8)?;
    if (object, head & 0xffff) == (1, 0) {
        let word = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
        let len = usize::try_from(word(16)?).ok()?;
        // With the zero at its end.
        let text = message.get(20..20 + len.saturating_sub(1))?;
        let message = String::from_utf8_lossy(text).into_owned();
        return Some(ProtocolError { object: word(8)?, interface: None, code: word(12)?, message });
    }
    bytes = &bytes[size..];
    parse(bytes)
}

/// `wl_display.error` as it is on the wire.
fn event(object: u32, error: &ProtocolError) -> Vec<u8> {
    // A message has at most 4096 bytes.
    let text: Vec<u8> = error.message.bytes().take(4000).chain([0]).collect();
    let padded = text.len().next_multiple_of(4);
    let size = 20 + padded;
    let text_len = text.len() as u32;
    let words = [1, (size as u32) << 16, object, error.code, text_len];
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.extend(text);
    bytes.resize(size, 0);
    bytes
}

/// Hears of the error while the connection is still read.
pub(super) struct Errors {
    pub record: Record,
    pub ends: Rc<Ends>,
}

impl StateHandler for Errors {
    fn display_error(
        self: Box<Self>,
        object: Option<&Rc<dyn Object>>,
        server_id: u32,
        code: u32,
        message: &str,
    ) {
        let interface = object.map(|object| object.interface().name());
        let error = ProtocolError { object: server_id, interface, code, message: message.to_owned() };
        self.ends.tell(object.and_then(|object| object.client_id()).unwrap_or(1), &error);
        self.record.borrow_mut().error = Some(error.to_string());
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_heard_and_told() {
        let error = ProtocolError { object: 5, interface: None, code: 2, message: "not that".into() };
        let (program, mut heard) = UnixStream::pair().unwrap();
        let (compositor, mut says) = UnixStream::pair().unwrap();
        let ends = Ends { program, compositor };
        assert_eq!(ends.last_words(), None);
        // Something else first.
        let other = [7_u32, 12 << 16 | 3, 99].into_iter().flat_map(u32::to_ne_bytes);
        let bytes: Vec<u8> = other.chain(event(5, &error)).collect();
        says.write_all(&bytes).unwrap();
        assert!(!ends.hung_up());
        drop(says);
        assert!(ends.hung_up());
        assert_eq!(ends.last_words().as_ref(), Some(&error));
        ends.tell(5, &error);
        drop(ends);
        let mut bytes = Vec::new();
        heard.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, event(5, &error));
    }

    #[test]
    fn nonsense_is_no_error() {
        for bytes in
            [&[][..], &[1, 0, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0, 8, 0], &[0xff; 64]]
        {
            assert_eq!(parse(bytes), None, "{bytes:?}");
        }
    }
}
