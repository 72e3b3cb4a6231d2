//! A file as the manual pages describe it: a size, seals, and bytes.

use std::fmt;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::io::Errno;
use shm_core::seals::Seals;
use shm_core::verdict::{self, Kind, Unsealed, Unusable, Verdict};

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// A huge page.
const HUGE: u64 = 2 << 20;
/// Files larger than this have bytes that nobody remembers.
const REMEMBERED: u64 = 64 << 10;

/// How a file was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sort {
    /// With `MFD_ALLOW_SEALING`.
    Memfd,
    /// Without.
    NeverSealable,
    /// With `MFD_EXEC`.
    Executable,
    /// With `MFD_HUGETLB`.
    Huge,
    /// In /dev/shm.
    Shm,
    /// In /tmp.
    Disk,
    /// pipe(2).
    Pipe,
    /// /dev/zero.
    Zero,
}

/// How it was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Opened {
    /// `O_RDWR`.
    ReadWrite,
    /// `O_RDONLY`.
    ReadOnly,
    /// `O_WRONLY`.
    WriteOnly,
    /// `O_PATH`.
    Path,
}

impl Opened {
    fn writes(self) -> bool {
        matches!(self, Self::ReadWrite | Self::WriteOnly)
    }
}

/// A file.
pub struct Model {
    /// How it was made.
    pub sort: Sort,
    /// In bytes.
    pub size: u64,
    /// What it has; `None` if it can have none.
    pub seals: Option<Seals>,
    content: Option<Vec<u8>>,
}

impl Model {
    /// A new file of `size` bytes, all 0, born with `seals`.
    pub fn new(sort: Sort, size: u64, seals: Option<Seals>) -> Self {
        let has_seals = !matches!(sort, Sort::Disk | Sort::Pipe | Sort::Zero);
        assert_eq!(seals.is_some(), has_seals, "{sort:?}");
        // F_SEAL_EXEC is there from the beginning where the system is set up so.
        let born = seals.unwrap_or_default().difference(Seals::EXEC);
        let closed = matches!(sort, Sort::NeverSealable | Sort::Shm);
        assert!(
            !has_seals || born == (if closed { Seals::SEAL } else { Seals::empty() }),
            "{sort:?}: {born}"
        );
        let content = (size <= REMEMBERED).then(|| vec![0; size as usize]);
        Self { sort, size, seals, content }
    }

    /// Whether it is a file with a size.
    pub fn is_file(&self) -> bool {
        !matches!(self.sort, Sort::Pipe | Sort::Zero)
    }

    /// Whether it has one of these seals.
    pub fn has(&self, seals: Seals) -> bool {
        self.seals.is_some_and(|has| has.intersects(seals))
    }

    /// `F_ADD_SEALS`, where it is mapped for writing or not.
    pub fn add_seals(&mut self, opened: Opened, seals: Seals, is_mapped: bool) -> Result<(), Errno> {
        if opened == Opened::Path {
            return Err(Errno::BADF);
        }
        if !opened.writes() {
            // Also where it could have none.
            return Err(Errno::PERM);
        }
        let Some(has) = self.seals else { return Err(Errno::INVAL) };
        if has.contains(Seals::SEAL) {
            return Err(Errno::PERM);
        }
        // What may be executed must not be written: F_SEAL_EXEC brings the others along.
        let seals = if seals.contains(Seals::EXEC) && self.is_executable() {
            seals | Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE
        } else {
            seals
        };
        if seals.contains(Seals::WRITE) && !has.contains(Seals::WRITE) && is_mapped {
            return Err(Errno::BUSY);
        }
        self.seals = Some(has | seals);
        Ok(())
    }

    /// A memfd is, unless it was made with `MFD_NOEXEC_SEAL`.
    fn is_executable(&self) -> bool {
        matches!(self.sort, Sort::Memfd | Sort::Executable | Sort::Huge)
    }

    /// `ftruncate`.
    pub fn truncate(&mut self, opened: Opened, size: u64) -> Result<(), Errno> {
        if opened == Opened::Path {
            return Err(Errno::BADF);
        }
        if !opened.writes() || !self.is_file() || (self.sort == Sort::Huge && !size.is_multiple_of(HUGE)) {
            return Err(Errno::INVAL);
        }
        if (size < self.size && self.has(Seals::SHRINK)) || (size > self.size && self.has(Seals::GROW)) {
            return Err(Errno::PERM);
        }
        self.size = size;
        self.content = self.content.take().filter(|_| size <= REMEMBERED);
        if let Some(content) = &mut self.content {
            content.resize(size as usize, 0);
        }
        Ok(())
    }

    /// Whether `write` and `fallocate` may change what is there.
    pub fn may_write(&self, opened: Opened) -> Result<(), Errno> {
        if !opened.writes() {
            return Err(Errno::BADF);
        }
        if self.sort == Sort::Huge {
            return Err(Errno::INVAL);
        }
        if self.has(Seals::WRITE | Seals::FUTURE_WRITE) { Err(Errno::PERM) } else { Ok(()) }
    }

    /// Whether it can be mapped for reading and writing.
    pub fn may_map_writable(&self, opened: Opened) -> bool {
        opened == Opened::ReadWrite && !self.has(Seals::WRITE | Seals::FUTURE_WRITE)
    }

    /// Bytes were written; the file grows if it must.
    pub fn written(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        self.size = self.size.max(end);
        if let Some(content) = &mut self.content {
            content.resize(self.size as usize, 0);
            content[offset as usize..end as usize].copy_from_slice(bytes);
        }
    }

    /// Bytes were written through a mapping, which lets no file grow. What is written behind its end, in its last page,
    /// may show when it grows.
    pub fn written_in_place(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        match &mut self.content {
            Some(content) if end <= self.size => {
                content[offset as usize..end as usize].copy_from_slice(bytes);
            }
            _ => self.forget_content(),
        }
    }

    /// Nobody knows any more what is in it.
    pub fn forget_content(&mut self) {
        self.content = None;
    }

    /// There is a hole, which reads as 0.
    pub fn punched(&mut self, offset: u64, len: u64) {
        if let Some(content) = &mut self.content {
            let end = (offset + len).min(self.size) as usize;
            if let Some(hole) = content.get_mut(offset as usize..end) {
                hole.fill(0);
            }
        }
    }

    /// The first bytes are those of the file.
    pub fn compare(&self, bytes: &[u8]) {
        if let Some(content) = &self.content {
            assert!(content.starts_with(bytes), "{} bytes differ: {self}", bytes.len());
        }
    }

    /// What `verdict::adopt` does: whether the seal was added.
    pub fn adopt(&mut self, opened: Opened) -> bool {
        let may = self.seals.is_some() && !self.has(Seals::SEAL | Seals::SHRINK) && opened.writes();
        if may {
            self.seals = self.seals.map(|has| has | Seals::SHRINK);
        }
        may
    }

    /// What it is.
    pub fn kind(&self, opened: Opened) -> Kind {
        match self.sort {
            _ if opened == Opened::Path => Kind::Other,
            Sort::Memfd | Sort::NeverSealable | Sort::Executable => Kind::Memfd,
            Sort::Huge => Kind::HugetlbMemfd,
            Sort::Shm => Kind::Tmpfs,
            Sort::Disk => {
                if disk().is_ok() {
                    Kind::Disk
                } else {
                    Kind::Remote
                }
            }
            Sort::Pipe => Kind::Pipe,
            Sort::Zero => Kind::CharDevice,
        }
    }

    /// The verdict, by the design's text.
    pub fn verdict(&self, opened: Opened, claimed: u64) -> Verdict {
        let unusable = |why| Verdict::Unusable { why };
        let unsealed = |why| Verdict::Unsealed { why };
        match self.kind(opened) {
            Kind::Other => return unusable(Unusable::PathOnly),
            Kind::Pipe => return unusable(Unusable::Pipe),
            Kind::CharDevice => return unusable(Unusable::CharDevice),
            Kind::Remote => {
                let file_system = disk().err().unwrap_or_default();
                return unusable(Unusable::Remote { file_system });
            }
            _ => {}
        }
        if opened == Opened::WriteOnly {
            return unusable(Unusable::WriteOnly);
        }
        if claimed == 0 {
            return unusable(Unusable::Empty);
        }
        if claimed > self.size {
            return unusable(Unusable::TooShort { claimed, size: self.size });
        }
        let seals = self.seals.unwrap_or_default();
        match self.sort {
            Sort::Huge => unsealed(Unsealed::Hugetlb),
            Sort::Shm => unsealed(Unsealed::Tmpfs),
            Sort::Disk => unsealed(Unsealed::Disk { file_system: disk().unwrap_or_default() }),
            _ if seals.contains(Seals::SHRINK) => Verdict::Sealed,
            _ if seals == Seals::SEAL => unsealed(Unsealed::NotSealable),
            _ if seals.contains(Seals::SEAL) => unsealed(Unsealed::SealedShut { seals }),
            _ if opened == Opened::ReadOnly => unsealed(Unsealed::ReadOnly),
            _ => unsealed(Unsealed::ShrinkMissing),
        }
    }
}

/// The file system of /tmp, if it is local; else what is said about it. Asked once: it is the system's.
fn disk() -> Result<String, Option<String>> {
    static DISK: OnceLock<Result<String, Option<String>>> = OnceLock::new();
    let ask = || {
        let file = tempfile::tempfile_in("/tmp").expect("a file");
        file.set_len(1).expect("a size");
        match verdict::examine(file.as_fd(), 1).verdict {
            Verdict::Unsealed { why: Unsealed::Disk { file_system } } => Ok(file_system),
            Verdict::Unusable { why: Unusable::Remote { file_system } } => Err(file_system),
            other => panic!("/tmp is on no disk: {other:?}"),
        }
    };
    DISK.get_or_init(ask).clone()
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sort, size, seals, .. } = self;
        write!(f, "{sort:?} of {size} bytes with {seals:?}")
    }
}
