//! The classic pairs: one process makes memory and fills it, another finds it and checks every byte.
//!
//! They are for two terminals. The writer says what to run in the other one, waits until somebody was there, and removes
//! what it made. Each says which system calls it makes, if asked, and what became of the machine's memory meanwhile.

use std::fmt;
use std::time::Duration;

use shm_core::shared::{AccessError, Shared};

use crate::meminfo::{self, MeminfoError, Memory};
use crate::trace::{SayError, Trace};

pub mod dmabuf;
pub mod memfd;
pub mod posix;
mod socket;
pub mod sysv;
mod wait;
mod watch;

pub use socket::SocketError;
pub use wait::{WaitError, Waiter};
pub use watch::WatchError;

/// What the writers have in common.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// How much memory, in bytes.
    pub size: u64,
    /// What every byte of it is to be.
    pub byte: u8,
}

impl Content {
    /// Whether so much could be asked for at all.
    pub(crate) fn check(self) -> Result<(), SizeError> {
        if self.size == 0 { Err(SizeError::Zero) } else { Ok(()) }
    }

    /// Whether so many times as much could be filled: what cannot be had is not missed before it is written to, and then the kernel ends
    /// some process to get it, not necessarily this one.
    pub(crate) fn fits(self, times: u64) -> Result<(), SizeError> {
        let total = self.size.saturating_mul(times);
        let available = Memory::available().map_err(SizeError::Meminfo)?;
        // The others need some, too.
        if total > available / 4 * 3 { Err(SizeError::Memory { total, available }) } else { Ok(()) }
    }
}

/// Why there cannot be memory of such a size.
#[derive(Debug, thiserror::Error)]
pub enum SizeError {
    /// None at all.
    #[error("0 bytes are no memory: ask for 1 at least")]
    Zero,
    /// More than a file may have.
    #[error(
        "a file may have {limit} bytes (RLIMIT_FSIZE; ulimit -f), and {size} were asked for: ask for less"
    )]
    FileLimit {
        /// The limit in bytes.
        limit: u64,
        /// What was asked for, in bytes.
        size: u64,
    },
    /// More than the machine has.
    #[error(
        "{total} bytes are more than three quarters of the {available} that this machine has available: ask for less"
    )]
    Memory {
        /// How much was asked for, in bytes.
        total: u64,
        /// How much there is, in bytes.
        available: u64,
    },
    /// It is not known how much there is.
    #[error(transparent)]
    Meminfo(MeminfoError),
}

/// How a writer waits for a reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// For how long; `None`: until it is told to stop.
    pub time: Option<Duration>,
}

/// What both sides take if they are told nothing else.
pub const SIZE: u64 = 4 << 20;
/// As [`SIZE`], the byte.
pub const BYTE: u8 = 0x5a;

/// As much is written and read at once.
const CHUNK: usize = 1 << 20;

/// Fills memory with a byte.
pub(crate) fn fill(memory: &impl Shared, byte: u8) -> Result<(), AccessError> {
    let chunk = vec![byte; CHUNK.min(memory.len())];
    for offset in (0..memory.len()).step_by(CHUNK) {
        let count = CHUNK.min(memory.len() - offset);
        memory.write_at(offset, &chunk[..count])?;
    }
    Ok(())
}

/// What was found in memory that should be full of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The byte it should be full of.
    pub byte: u8,
    /// How many bytes were looked at.
    pub total: u64,
    /// How many of them are that byte.
    pub good: u64,
    /// The first that is not: where, and what it is.
    pub first_other: Option<(u64, u8)>,
}

impl Checked {
    /// Looks at `total` bytes, which `read` copies out from an offset on.
    pub(crate) fn check<E>(
        byte: u8,
        total: usize,
        mut read: impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<Checked, E> {
        let mut checked = Checked { byte, total: total as u64, good: 0, first_other: None };
        let mut chunk = vec![0; CHUNK.min(total)];
        for offset in (0..total).step_by(CHUNK) {
            let chunk = &mut chunk[..CHUNK.min(total - offset)];
            read(offset, chunk)?;
            checked.add(offset, chunk);
        }
        Ok(checked)
    }

    /// Counts some more bytes.
    fn add(&mut self, offset: usize, bytes: &[u8]) {
        let others = bytes.iter().enumerate().filter(|(_, found)| **found != self.byte);
        let mut count = 0;
        for (at, found) in others {
            self.first_other.get_or_insert(((offset + at) as u64, *found));
            count += 1;
        }
        self.good += bytes.len() as u64 - count;
    }

    /// Whether all of them are as they should be.
    pub fn all(&self) -> bool {
        self.good == self.total
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes are {:#04x}", self.good, self.total, self.byte)?;
        match self.first_other {
            Some((at, found)) => write!(f, "; the first other is {found:#04x}, at {at}"),
            None => Ok(()),
        }
    }
}

/// What the machine's memory was at first, and a table of what became of it.
#[derive(Debug)]
pub(crate) struct Table {
    before: Memory,
}

/// Why there is no such table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The numbers cannot be had.
    #[error(transparent)]
    Meminfo(#[from] MeminfoError),
    /// It cannot be written.
    #[error(transparent)]
    Say(#[from] SayError),
}

impl Table {
    /// Looks at it before anything is made.
    pub(crate) fn begin() -> Result<Table, TableError> {
        Ok(Table { before: Memory::now()? })
    }

    /// Writes the head, and what it was and is now that the memory lives.
    pub(crate) fn lives(&self, trace: &mut Trace) -> Result<(), TableError> {
        let now = Memory::now()?;
        trace.say(format_args!("{}", meminfo::HEAD))?;
        trace.say(format_args!("{:<16}{}", "before", self.before))?;
        trace.say(format_args!("{:<16}{}", "while it lives", now.since(self.before)))?;
        Ok(())
    }

    /// Writes what it is now that the memory is gone.
    pub(crate) fn after(&self, trace: &mut Trace) -> Result<(), TableError> {
        let now = Memory::now()?;
        trace.say(format_args!("{:<16}{}", "after", now.since(self.before)))?;
        Ok(())
    }
}

/// Whole pages for so many bytes: what mmap(2) is asked for.
pub(crate) fn pages(len: u64) -> u64 {
    len.checked_next_multiple_of(rustix::param::page_size() as u64).unwrap_or(len)
}

/// The limit of a file's size in bytes, if it is what keeps a file from having `size` bytes.
pub(crate) fn file_limit(size: u64, error: &std::io::Error) -> Option<u64> {
    let too_big = rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::FBIG);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    limit.filter(|limit| too_big && size > *limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_counted() {
        let mut memory = vec![0x5a; CHUNK + 3];
        let read = |memory: &[u8]| {
            Checked::check(0x5a, memory.len(), |offset, to| {
                to.copy_from_slice(&memory[offset..offset + to.len()]);
                Ok::<(), ()>(())
            })
        };
        assert_eq!(
            read(&memory).map(|found| found.to_string()),
            Ok("1048579 of 1048579 bytes are 0x5a".into())
        );
        memory[CHUNK + 1] = 7;
        memory[CHUNK + 2] = 8;
        let found = read(&memory);
        let text = "1048577 of 1048579 bytes are 0x5a; the first other is 0x07, at 1048577";
        assert_eq!(found.as_ref().map(ToString::to_string), Ok(text.into()));
        assert_eq!(found.map(|found| found.all()), Ok(false));
    }
}
