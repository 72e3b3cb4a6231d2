//! The producer: reads a file, and puts its lines into the slots.

use std::io::Read;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::meeting::{self, Bell, Shared};
use super::ring::{Kind, PIECE, Peer};
use super::{LinesError, Name, Note, Role, Say, Summary};

/// Waits for a consumer, and gives it the lines of `input`, through so many slots (1 to [`super::MAX_SLOTS`]) at a time. Returns when the
/// consumer has written them all.
///
/// The bytes are as they come, text or not; a line may be as long as it likes.
///
/// # Errors
///
/// [`LinesError::Died`] if the consumer is gone before the end, at whatever moment; [`LinesError::InUse`] if the name is another
/// producer's; and what the kernel says.
pub fn produce(
    mut input: impl Read + AsFd,
    name: &Name,
    slots: u32,
    say: Say<'_>,
) -> Result<Summary, LinesError> {
    let bell = Bell::new(name)?;
    let (shared, names) = meeting::publish(name, slots, say)?;
    let consumer = meeting::wait_for_consumer(&shared, name, &bell, say)?;
    drop(names);
    drop(bell);
    say(Note::Met { role: Role::Consumer, peer: consumer });
    let peer = Peer::watch(consumer, &shared.free)?;
    let pidfd = consumer.open()?;
    let mut sender = Sender { shared: &shared, peer: &peer, sent: 0, lines: 0, bytes: 0, within_line: false };
    let mut buffer = vec![0; 64 << 10];
    loop {
        // A terminal or a pipe may give nothing for a long time, and the consumer may end meanwhile.
        let Some(pidfd) = &pidfd else { return Err(sender.died()) };
        let mut fds = [PollFd::new(&input, PollFlags::IN), PollFd::new(pidfd, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(LinesError::Read { source: errno.into() }),
        }
        if !fds[1].revents().is_empty() {
            return Err(sender.died());
        }
        match input.read(&mut buffer) {
            Ok(0) => return sender.finish(),
            Ok(count) => sender.send(&buffer[..count])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(LinesError::Read { source }),
        }
    }
}

/// What has been sent so far.
struct Sender<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    /// Slots.
    sent: u64,
    lines: u64,
    bytes: u64,
    within_line: bool,
}

impl Sender<'_> {
    /// Sends bytes, cut at newlines and where a slot is full.
    fn send(&mut self, bytes: &[u8]) -> Result<(), LinesError> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
            let mut rest = text;
            while rest.len() > PIECE {
                let (piece, more) = rest.split_at(PIECE);
                self.put(Kind::Part, piece)?;
                rest = more;
            }
            self.put(if ends { Kind::Line } else { Kind::Part }, rest)?;
            self.within_line = !ends;
            self.lines += u64::from(ends);
            self.bytes += line.len() as u64;
        }
        Ok(())
    }

    /// Fills a slot as soon as one is free.
    fn put(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), LinesError> {
        self.shared.free.wait()?;
        if self.peer.is_dead() {
            return Err(self.died());
        }
        self.shared.ring.put(self.sent, kind, bytes)?;
        self.sent += 1;
        Ok(self.shared.filled.post()?)
    }

    /// Says that there are no more, and waits until the consumer has written them all: it says that by reading the last slot.
    fn finish(mut self) -> Result<Summary, LinesError> {
        self.put(Kind::End, b"")?;
        while self.shared.ring.read()? != self.sent {
            if self.peer.is_dead() && self.shared.ring.read()? != self.sent {
                return Err(self.died());
            }
            self.shared.free.wait()?;
        }
        let lines = self.lines + u64::from(self.within_line);
        Ok(Summary { peer: self.peer.process, lines, bytes: self.bytes })
    }

    fn died(&self) -> LinesError {
        match self.shared.ring.lines_read() {
            Ok(lines) => LinesError::Died { role: Role::Consumer, peer: self.peer.process, lines },
            Err(error) => error.into(),
        }
    }
}
