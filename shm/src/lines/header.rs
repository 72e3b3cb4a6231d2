//! The first bytes of the memory: what it is, how large, and who has it open.
//!
//! They are written and read with system calls, not through the mapping: the writes are seen by `inotify(7)`, which is how the
//! two sides learn of each other, and what is cut off by somebody is a short read and no signal. Each of the writes
//! is within a page, and thus done whole or not at all, also if the writer is killed.

use std::os::fd::AsFd;

use rustix::io::{Errno, pread, pwrite};
use shm_core::liveness::Process;

use super::ring;

/// What the header takes, in bytes.
const LEN: usize = 64;
/// "selkie" and a version, as bytes.
const MAGIC: [u8; 8] = *b"selkieL1";

const SLOTS: usize = 8;
const SLOT: usize = 12;
const READY: usize = 16;
const PRODUCER: usize = 24;
const CONSUMER: usize = 40;

/// The header, as read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// How many slots there are.
    pub slots: u32,
    /// Whether the semaphores are there too.
    pub ready: bool,
    /// Who has made it.
    pub producer: Process,
    /// Who reads it, once somebody does.
    pub consumer: Option<Process>,
}

impl Header {
    /// Reads it; `Ok(None)` if the file is empty yet.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong, if it cannot be one.
    pub(super) fn read(memory: impl AsFd) -> Result<Option<Header>, String> {
        let mut bytes = [0; LEN];
        let count = match rustix::io::retry_on_intr(|| pread(&memory, &mut bytes, 0)) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(errno) => return Err(format!("it cannot be read ({errno})")),
        };
        if count < LEN || bytes[..MAGIC.len()] != MAGIC {
            return Err("it does not begin as that does".to_owned());
        }
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let process = |at: usize| {
            let mut start = [0; 8];
            start.copy_from_slice(&bytes[at + 8..at + 16]);
            Process { pid: word(at), start_time: u64::from_ne_bytes(start) }
        };
        let slots = word(SLOTS);
        if word(SLOT) != ring::SLOT as u32 {
            return Err(format!("its slots have {} bytes and not {}", word(SLOT), ring::SLOT));
        }
        if !(1..=ring::MAX_SLOTS).contains(&slots) {
            return Err(format!("it says that it has {slots} slots (1 to {} are possible)", ring::MAX_SLOTS));
        }
        let consumer = Some(process(CONSUMER)).filter(|consumer| consumer.pid != 0);
        Ok(Some(Header { slots, ready: word(READY) != 0, producer: process(PRODUCER), consumer }))
    }

    /// Writes a new one, that says that it is not ready and has no consumer.
    pub(super) fn write(memory: impl AsFd, slots: u32, producer: Process) -> Result<(), Errno> {
        let mut bytes = [0; LEN];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[SLOTS..SLOTS + 4].copy_from_slice(&slots.to_ne_bytes());
        bytes[SLOT..SLOT + 4].copy_from_slice(&(ring::SLOT as u32).to_ne_bytes());
        bytes[PRODUCER..PRODUCER + 16].copy_from_slice(&as_bytes(producer));
        put(memory, &bytes, 0)
    }

    /// Says that everything is there.
    pub(super) fn set_ready(memory: impl AsFd) -> Result<(), Errno> {
        put(memory, &1_u32.to_ne_bytes(), READY)
    }

    /// Says who reads it.
    pub(super) fn set_consumer(memory: impl AsFd, consumer: Process) -> Result<(), Errno> {
        put(memory, &as_bytes(consumer), CONSUMER)
    }
}

fn as_bytes(process: Process) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&process.pid.to_ne_bytes());
    bytes[8..].copy_from_slice(&process.start_time.to_ne_bytes());
    bytes
}

/// Shared memory takes so few bytes as a whole.
fn put(memory: impl AsFd, bytes: &[u8], at: usize) -> Result<(), Errno> {
    rustix::io::retry_on_intr(|| pwrite(&memory, bytes, at as u64))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn what_is_written_is_read() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Header::read(&file), Ok(None));
        let producer = Process { pid: 7, start_time: 1 << 40 };
        let consumer = Process { pid: 8, start_time: 9 };
        Header::write(&file, 3, producer).unwrap();
        let written = Header { slots: 3, ready: false, producer, consumer: None };
        assert_eq!(Header::read(&file), Ok(Some(written)));
        Header::set_ready(&file).unwrap();
        Header::set_consumer(&file, consumer).unwrap();
        let written = Header { ready: true, consumer: Some(consumer), ..written };
        assert_eq!(Header::read(&file), Ok(Some(written)));
    }

    #[test]
    fn what_is_none_is_told_apart() {
        let holding = |bytes: &[u8]| -> File {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        let mut good = [0; LEN];
        good[..8].copy_from_slice(&MAGIC);
        good[SLOT..SLOT + 4].copy_from_slice(&(ring::SLOT as u32).to_ne_bytes());
        let mut small = good;
        small[SLOTS..SLOTS + 4].copy_from_slice(&2_u32.to_ne_bytes());
        small[SLOT..SLOT + 4].copy_from_slice(&0_u32.to_ne_bytes());
        let mut many = good;
        many[SLOTS..SLOTS + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        for (bytes, why) in [
            (&b"x"[..], "does not begin"),
            (&[0; 4096], "does not begin"),
            (&MAGIC, "does not begin"),
            (&small, "its slots have 0 bytes"),
            (&good, "it has 0 slots"),
            (&many, "it has 4294967295 slots"),
        ] {
            let error = Header::read(holding(bytes)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
