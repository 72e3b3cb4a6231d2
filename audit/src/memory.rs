//! What a piece of memory is, found out without disturbing it: nothing is ever added to it or written into it.
//!
//! The questions are those of [`shm_core::verdict`], in its order, so that a file whose owner does not answer holds up nobody.
//! What is asked here besides is asked only of memory that is known to be the kernel's own or on a local disk.

use std::cell::OnceCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::OFlags;
use shm_core::closer::close_elsewhere;
use shm_core::dmabuf::{Access, DmaBuf, DmaBufMapping};
use shm_core::pread::Reader;
use shm_core::seals::Seals;
use shm_core::verdict::{Examined, Kind, examine};

/// Memory that a program has passed on. Kept open as long as something of it is in use.
#[derive(Debug)]
pub(crate) struct Memory {
    fd: Option<Rc<OwnedFd>>,
    kind: Kind,
    reading: OnceCell<Option<Reading>>,
}

/// A way to copy out of it.
#[derive(Debug)]
enum Reading {
    File(Reader),
    DmaBuf(DmaBuf, DmaBufMapping),
}

impl Memory {
    pub fn new(fd: &Rc<OwnedFd>, kind: Kind) -> Self {
        Self { fd: Some(fd.clone()), kind, reading: OnceCell::new() }
    }

    /// Copies rows out of it, one behind the other; `None` where that cannot be done, or not without waiting.
    pub fn read_rows(
        &self,
        offset: u64,
        stride: usize,
        row: usize,
        rows: usize,
        dst: &mut [u8],
    ) -> Option<()> {
        match self.reading.get_or_init(|| self.open()).as_ref()? {
            Reading::File(reader) => reader.read_rows(offset, stride, row, rows, dst, row).ok().map(drop),
            Reading::DmaBuf(dmabuf, mapping) => {
                // Somebody may still be drawing.
                if !dmabuf.is_idle(Access::Read).ok()? {
                    return None;
                }
                let span = stride.checked_mul(rows.checked_sub(1)?)?.checked_add(row)?;
                let mut bytes = vec![0; span];
                mapping.copy_to(usize::try_from(offset).ok()?, &mut bytes).ok()?;
                for (from, to) in bytes.chunks(stride).zip(dst.chunks_exact_mut(row)) {
                    to.copy_from_slice(from.get(..row)?);
                }
                Some(())
            }
        }
    }

    fn open(&self) -> Option<Reading> {
        let fd = self.fd()?;
        if self.kind == Kind::DmaBuf {
            let dmabuf = DmaBuf::new(fd.try_clone_to_owned().ok()?).ok()?;
            let mapping = dmabuf.map().ok()?;
            return Some(Reading::DmaBuf(dmabuf, mapping));
        }
        // Refused if it is no memory. What lies beyond its end is found missing when it is read.
        Reader::open(fd, 1).ok().map(Reading::File)
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd())
    }

    /// The bytes of it that have pages now; `None` where that is not to be known.
    pub fn resident(&self) -> Option<u64> {
        if !matches!(self.kind, Kind::Memfd | Kind::HugetlbMemfd | Kind::Tmpfs | Kind::Disk) {
            return None;
        }
        let stat = rustix::fs::fstat(self.fd()?).ok()?;
        // In units of 512 bytes, whatever the file system's block is (inode(7)).
        Some(u64::try_from(stat.st_blocks).ok()?.saturating_mul(512))
    }

    /// Its size in bytes now; `None` where that is not to be asked.
    pub fn size(&self) -> Option<u64> {
        if !matches!(self.kind, Kind::Memfd | Kind::HugetlbMemfd | Kind::Tmpfs | Kind::Disk) {
            return None;
        }
        u64::try_from(rustix::fs::fstat(self.fd()?).ok()?.st_size).ok()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Whoever has it last closes it; the proxy is done with it long before, as a rule.
        if let Some(fd) = self.fd.take().and_then(|fd| Rc::try_unwrap(fd).ok()) {
            close_elsewhere(fd);
        }
    }
}

/// Whether a seal could still be added when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sealing {
    /// Yes.
    Open,
    /// No: `F_SEAL_SEAL`.
    Closed,
    /// Not through the descriptor that was passed on, which is read-only.
    ReadOnly,
    /// Such a file can have no seals.
    Never,
}

/// What was seen when it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub examined: Examined,
    /// Where the kernel says that it is: `memfd:NAME`, or a path.
    pub name: String,
    /// For people: what kind of memory.
    pub kind: String,
    pub sealing: Sealing,
    pub writable: bool,
}

/// Looks at memory of which `claimed` bytes are to be used.
pub(crate) fn look(fd: BorrowedFd<'_>, claimed: u64) -> Arrival {
    let examined = examine(fd, claimed);
    let name = name(fd);
    let flags = rustix::fs::fcntl_getfl(fd).unwrap_or(OFlags::PATH);
    let writable = !flags.contains(OFlags::PATH) && flags & OFlags::ACCMODE == OFlags::RDWR;
    let sealing = match examined.seals {
        _ if !matches!(examined.kind, Kind::Memfd | Kind::HugetlbMemfd) => Sealing::Never,
        None => Sealing::Never,
        Some(seals) if seals.contains(Seals::SEAL) => Sealing::Closed,
        Some(_) if !writable => Sealing::ReadOnly,
        Some(_) => Sealing::Open,
    };
    let kind = match examined.kind {
        Kind::Tmpfs if name.starts_with("/dev/shm/") => "/dev/shm file".to_owned(),
        kind => kind.to_string(),
    };
    Arrival { examined, name, kind, sealing, writable }
}

/// What the kernel calls a file; it answers this from its own memory, whatever the file is (`proc_pid_fd(5)`).
pub(crate) fn name(fd: BorrowedFd<'_>) -> String {
    let link = std::fs::read_link(format!("/proc/thread-self/fd/{}", fd.as_raw_fd()));
    let link = link.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let link = link.strip_suffix(" (deleted)").unwrap_or(&link);
    // What has no path has a name instead, behind a slash.
    let is_name = ["/memfd:", "/dmabuf:"].iter().any(|kind| link.starts_with(kind));
    link.get(usize::from(is_name)..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use shm_core::memfd;

    use super::*;

    #[test]
    fn says_what_it_is() {
        let seen = |seals| look(memfd::create("mine", 4096, seals).unwrap().as_fd(), 4096);
        let open = seen(Some(Seals::empty()));
        assert_eq!((open.kind.as_str(), open.name.as_str()), ("memfd", "memfd:mine"));
        assert_eq!((open.sealing, open.writable), (Sealing::Open, true));
        assert_eq!(seen(Some(Seals::SHRINK)).sealing, Sealing::Open);
        assert_eq!(seen(Some(Seals::SHRINK | Seals::SEAL)).sealing, Sealing::Closed);
        assert_eq!(seen(None).sealing, Sealing::Closed);
        let shm = tempfile::Builder::new().prefix("audit-").tempfile_in("/dev/shm").unwrap();
        shm.as_file().set_len(4096).unwrap();
        let arrival = look(shm.as_file().as_fd(), 4096);
        assert_eq!((arrival.kind.as_str(), arrival.sealing), ("/dev/shm file", Sealing::Never));
        assert_eq!(arrival.name, shm.path().to_str().unwrap());
        let (pipe, _writer) = std::io::pipe().unwrap();
        assert_eq!(look(pipe.as_fd(), 1).kind, "pipe");
    }

    #[test]
    fn a_read_only_descriptor_is_told() {
        let memory = memfd::create("mine", 4096, Some(Seals::empty())).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        let fd = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
        let arrival = look(fd.as_fd(), 4096);
        assert_eq!((arrival.sealing, arrival.writable), (Sealing::ReadOnly, false));
    }

    #[test]
    fn only_pages_that_are_there_are_resident() {
        let fd = Rc::new(memfd::create("holes", 1 << 20, Some(Seals::empty())).unwrap());
        let memory = Memory::new(&fd, Kind::Memfd);
        assert_eq!(memory.resident(), Some(0));
        rustix::io::pwrite(&*fd, &[1], 5000).unwrap();
        assert_eq!(memory.resident(), Some(4096));
    }
}
