//! Files of every kind that a client could send as its memory.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use arbitrary::Unstructured;
use rustix::fs::{Mode, OFlags};
use shm_core::memfd;
use shm_core::seals::Seals;

use crate::numbers::{byte, pick, uint};

/// Kinds that [`some_file`] makes.
pub const KINDS: usize = 14;

/// A file of the kind of that number, and how many bytes it has.
///
/// # Panics
///
/// If the system has none.
pub fn some_file(u: &mut Unstructured<'_>, kind: usize) -> (OwnedFd, u64) {
    let size = match byte(u) {
        0..=127 => 1 << 16,
        128..=223 => 1 + u64::from(byte(u)) * 256,
        224..=247 => u64::from(uint(u)) & 0x7fff_ffff,
        _ => 0,
    };
    let memory = |seals| memfd::create("selkie-fuzz", size, seals).expect("memory");
    let fd = match kind {
        0..=4 => memory(Some(Seals::SHRINK)),
        5 => memory(Some(Seals::from_bits_retain(u32::from(byte(u)) & 0x1f))),
        6 => memory(Some(Seals::empty())),
        7 => memory(None),
        8 => sized("/dev/shm", size),
        9 => sized("/tmp", size),
        10 => {
            let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
            // The other end is closed at once.
            if byte(u).is_multiple_of(2) { reader } else { writer }
        }
        11 => UnixStream::pair().expect("sockets").0.into(),
        12 => {
            let device = ["/dev/zero", "/dev/null", "/proc/self/status", "/"][pick(u, 4)];
            File::open(device).expect(device).into()
        }
        _ => {
            let flags = [OFlags::RDONLY, OFlags::WRONLY, OFlags::PATH, OFlags::RDONLY | OFlags::DIRECT];
            reopen(&memory(Some(Seals::SHRINK)), flags[pick(u, 4)])
        }
    };
    (fd, size)
}

/// A file without a name in `directory`.
fn sized(directory: &str, size: u64) -> OwnedFd {
    let file = tempfile::tempfile_in(directory).expect("a file");
    // More than the disk can say is refused, and the file stays empty.
    let _ = file.set_len(size);
    file.into()
}

/// The same file, opened anew; itself, where it cannot be opened like that.
pub fn reopen(fd: &OwnedFd, flags: OFlags) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        .or_else(|_| rustix::io::fcntl_dupfd_cloexec(fd, 0))
        .expect("an fd")
}
