//! The consumer: takes the lines out of the slots, and writes them.

use std::io::Write;

use super::meeting::{self, Shared};
use super::ring::{Kind, Peer, Piece, SLOT};
use super::{LinesError, Name, Note, Role, Say, Summary};

/// Waits for a producer, and writes the lines that it gives to `output`, byte for byte; returns when there are no more.
///
/// What there is is flushed before it sleeps.
///
/// # Errors
///
/// [`LinesError::Died`] if the producer is gone before the end, after everything that it had given has been written;
/// [`LinesError::InUse`] if it has another consumer; [`LinesError::Foreign`] if the memory of that name is something else,
/// [`LinesError::Nonsense`] if something else has become of it; and what the kernel says.
pub fn consume(output: impl Write, name: &Name, say: Say<'_>) -> Result<Summary, LinesError> {
    let (shared, producer) = meeting::attach(name, say)?;
    say(Note::Met { role: Role::Producer, peer: producer });
    let peer = Peer::watch(producer, &shared.filled)?;
    let result = Receiver { shared: &shared, peer: &peer, output, read: 0, lines: 0, bytes: 0 }.run();
    if matches!(result, Err(LinesError::Died { .. })) {
        meeting::clean_up_after_producer(&shared, name);
    }
    result
}

/// What has been received so far.
struct Receiver<'a, W> {
    shared: &'a Shared,
    peer: &'a Peer,
    output: W,
    /// Slots.
    read: u64,
    lines: u64,
    bytes: u64,
}

impl<W: Write> Receiver<'_, W> {
    fn run(mut self) -> Result<Summary, LinesError> {
        let mut buffer = [0; SLOT];
        let mut within_line = false;
        loop {
            self.wait()?;
            let piece = self.shared.ring.get(self.read, &mut buffer)?;
            let Piece { kind, bytes } = piece.map_err(|why| self.nonsense(why))?;
            self.bytes += bytes.len() as u64 + u64::from(kind == Kind::Line);
            self.output.write_all(bytes).map_err(unwritten)?;
            match kind {
                Kind::Part => within_line = true,
                Kind::Line => {
                    self.output.write_all(b"\n").map_err(unwritten)?;
                    self.lines += 1;
                    within_line = false;
                }
                Kind::End => {
                    self.lines += u64::from(within_line);
                    // The producer takes the reading of this slot for the word that all is written.
                    self.output.flush().map_err(unwritten)?;
                }
            }
            self.read += 1;
            self.shared.ring.set_read(self.read, self.lines)?;
            self.shared.free.post()?;
            if kind == Kind::End {
                return Ok(Summary { peer: self.peer.process, lines: self.lines, bytes: self.bytes });
            }
        }
    }

    /// Waits for a slot that is filled.
    fn wait(&mut self) -> Result<(), LinesError> {
        // What a dead producer has filled is there, and nobody posts for it any more.
        if !self.peer.is_dead() && !self.shared.filled.try_wait()? {
            self.output.flush().map_err(unwritten)?;
            self.shared.filled.wait()?;
        }
        if !self.peer.is_dead() {
            return Ok(());
        }
        let filled = self.shared.ring.filled()?;
        match filled.checked_sub(self.read) {
            Some(0) => {
                self.output.flush().map_err(unwritten)?;
                Err(LinesError::Died { role: Role::Producer, peer: self.peer.process, lines: self.lines })
            }
            Some(left) if left <= u64::from(self.shared.ring.slots()) => Ok(()),
            _ => {
                Err(self
                    .nonsense(format!("{filled} pieces are said to be there, and {} were read", self.read)))
            }
        }
    }

    fn nonsense(&self, why: String) -> LinesError {
        LinesError::Nonsense { role: Role::Producer, peer: self.peer.process, why }
    }
}

fn unwritten(source: std::io::Error) -> LinesError {
    LinesError::Write { source }
}
