//! What `shm_core::verdict` says of real files while things happen to them, against a model made from the manual pages
//! (`memfd_create(2)`, `fcntl(2)` "File Sealing", `ftruncate(2)`, `fallocate(2)`, `mmap(2)`).
//!
//! A verdict is a promise: what was `Sealed` once is read to its end when all is over, and what was frozen is the same then.

mod model;

use std::os::fd::{AsFd, OwnedFd};

use arbitrary::Unstructured;
use rustix::fs::{FallocateFlags, MemfdFlags, OFlags};
use rustix::io::Errno;
use shm_core::frozen::Frozen;
use shm_core::mapping::{Guarded, Mapping, ReadError, Sealed};
use shm_core::memfd::{self, HugetlbSize, Options};
use shm_core::own::OwnMemory;
use shm_core::pread;
use shm_core::seals::{SealError, Seals};
use shm_core::verdict::{self, Verdict};

use crate::memory::reopen;
use crate::numbers::{byte, int, pick};
use model::{Model, Opened, PAGE, Sort};

/// Files at a time, and fds and writable mappings of each.
const MOST: usize = 5;
/// Ops of one case.
const MOST_OPS: usize = 200;
/// Files larger than this are read at both ends only.
const LARGE: u64 = 1 << 20;

/// A file, what it should be, and what was promised about it.
struct File {
    model: Model,
    fds: Vec<(OwnedFd, Opened)>,
    writers: Vec<OwnMemory>,
    /// With whether it keeps `F_SEAL_WRITE` away: it is shared, and its fd would let it write.
    promised: Vec<(Mapping<Sealed>, bool)>,
    /// Lengths that it was `Sealed` for.
    promises: Vec<u64>,
    frozen: Vec<(Frozen, Vec<u8>)>,
    /// The same.
    guarded: Vec<(Mapping<Guarded>, bool)>,
}

/// Runs one case.
///
/// # Panics
///
/// If selkie, or the kernel, does not do what the manual pages say.
pub fn run(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    let mut files: Vec<File> = Vec::new();
    for _ in 0..MOST_OPS {
        if u.is_empty() {
            break;
        }
        let op = byte(u);
        if files.is_empty() || (op & 15 == 0 && files.len() < MOST) {
            files.extend(File::new(u));
            continue;
        }
        let which = usize::from(op >> 4) % files.len();
        files[which].act(u, op & 15);
    }
    files.iter_mut().for_each(File::check);
}

impl File {
    /// A new one; `None` if this system has none of its kind.
    fn new(u: &mut Unstructured<'_>) -> Option<Self> {
        let size = match byte(u) {
            0..=199 => u64::from(byte(u)) * 64,
            200..=249 => PAGE * pick(u, 5) as u64,
            _ => 1 << 40,
        };
        let sort = match byte(u) % 16 {
            0..=7 => Sort::Memfd,
            8..=9 => Sort::NeverSealable,
            10 => Sort::Shm,
            11 => Sort::Disk,
            12 => Sort::Huge,
            13 => Sort::Executable,
            14 => Sort::Pipe,
            _ => Sort::Zero,
        };
        let mut fds = Vec::new();
        let mut size = size;
        let memory = |seals| memfd::create("selkie-fuzz", size, seals).expect("memory");
        let file: OwnedFd = match sort {
            Sort::Memfd => memory(Some(Seals::empty())),
            Sort::NeverSealable => memory(None),
            Sort::Executable => {
                let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::EXEC;
                // Before Linux 6.3 there is no such flag.
                let fd = rustix::fs::memfd_create("selkie-fuzz", flags).ok()?;
                rustix::fs::ftruncate(&fd, size).expect("a size");
                fd
            }
            Sort::Huge => {
                size = 0;
                let options = Options { seals: Some(Seals::empty()), huge: Some(HugetlbSize::Huge2MB) };
                options.create("selkie-fuzz", 0).ok()?
            }
            Sort::Shm | Sort::Disk => {
                size = size.min(LARGE);
                let directory = if sort == Sort::Shm { "/dev/shm" } else { "/tmp" };
                let file = tempfile::tempfile_in(directory).expect("a file");
                file.set_len(size).expect("a size");
                file.into()
            }
            Sort::Pipe => {
                let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
                fds.push((writer, Opened::WriteOnly));
                size = 0;
                reader
            }
            Sort::Zero => {
                size = 0;
                let file = std::fs::File::options().read(true).write(true).open("/dev/zero");
                file.expect("/dev/zero").into()
            }
        };
        let opened = if sort == Sort::Pipe { Opened::ReadOnly } else { Opened::ReadWrite };
        let model = Model::new(sort, size, Seals::of(&file).ok());
        fds.insert(0, (file, opened));
        let (writers, promised, promises, frozen, guarded) = Default::default();
        Some(Self { model, fds, writers, promised, promises, frozen, guarded })
    }

    /// One thing that happens to it.
    fn act(&mut self, u: &mut Unstructured<'_>, op: u8) {
        let which = pick(u, self.fds.len());
        match op {
            0 | 1 => self.reopen(u, which),
            2 | 3 => self.seal(u, which),
            4 | 5 => self.truncate(u, which),
            6 => self.write(u, which),
            7 => self.punch(u, which),
            8 => self.map(u, which),
            9 => self.write_through_mapping(u),
            10 => drop(self.writers.pop()),
            11 => self.freeze(u, which),
            12 => self.guard(u, which),
            _ => self.judge(u, which),
        }
    }

    fn reopen(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        if self.fds.len() == MOST || *opened == Opened::Path || self.model.sort == Sort::Pipe {
            return;
        }
        let (flags, opened) = [
            (OFlags::RDWR, Opened::ReadWrite),
            (OFlags::RDONLY, Opened::ReadOnly),
            (OFlags::WRONLY, Opened::WriteOnly),
            (OFlags::PATH, Opened::Path),
        ][pick(u, 4)];
        self.fds.push((reopen(file, flags), opened));
    }

    fn seal(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        let seals = [Seals::SHRINK, Seals::from_bits_retain(u32::from(byte(u)) & 0x3f)][pick(u, 2)];
        let answer = match Seals::add(file, seals) {
            Ok(()) => Ok(()),
            Err(SealError::Add { source, .. }) => Err(Errno::from_io_error(&source).expect("a number")),
            Err(other) => panic!("{other}"),
        };
        let could_write =
            self.promised.iter().map(|p| p.1).chain(self.guarded.iter().map(|g| g.1)).any(|c| c);
        let is_mapped = could_write || !self.writers.is_empty();
        assert_eq!(answer, self.model.add_seals(*opened, seals, is_mapped), "{seals} on {self}");
        self.look();
    }

    /// The seals and the size are what the model says.
    fn look(&self) {
        let Some((file, _)) = self.fds.iter().find(|(_, opened)| *opened != Opened::Path) else { return };
        assert_eq!(Seals::of(file).ok(), self.model.seals, "{self}");
        if self.model.is_file() {
            let stat = rustix::fs::fstat(file).expect("a file can be asked");
            assert_eq!(u64::try_from(stat.st_size), Ok(self.model.size), "{self}");
        }
    }

    fn truncate(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        let size = match byte(u) {
            0..=199 => u64::from(byte(u)) * 64,
            200..=229 => self.model.size.saturating_add_signed(i64::from(byte(u)) - 128).min(1 << 40),
            230..=249 => PAGE * pick(u, 5) as u64,
            _ => 2 << 20,
        };
        let answer = rustix::fs::ftruncate(file, size);
        assert_eq!(answer, self.model.truncate(*opened, size), "to {size}: {self}");
        self.look();
    }

    fn write(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        if !self.model.is_file() {
            return;
        }
        let (offset, bytes) = (u64::from(byte(u)) * 61, [byte(u); 100]);
        let answer = rustix::io::pwrite(file, &bytes, offset);
        match self.model.may_write(*opened) {
            // A file that may not grow is written up to its end, or not at all.
            Ok(()) => match answer {
                Ok(count) => self.model.written(offset, &bytes[..count]),
                Err(Errno::PERM) => assert!(self.model.has(Seals::GROW) && offset + 100 > self.model.size),
                Err(other) => panic!("{other}: {self}"),
            },
            Err(expected) => assert_eq!(answer, Err(expected), "{self}"),
        }
        self.look();
    }

    fn punch(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (offset, len) = (u64::from(byte(u)) * 61, 1 + u64::from(byte(u)) * 61);
        if !self.model.is_file() || self.model.sort == Sort::Huge {
            return;
        }
        let answer = rustix::fs::fallocate(file, flags, offset, len);
        match self.model.may_write(*opened) {
            Ok(()) => match answer {
                Ok(()) => self.model.punched(offset, len),
                // Not every file system on a disk can.
                Err(Errno::OPNOTSUPP) if self.model.sort == Sort::Disk => {}
                Err(other) => panic!("{other}: {self}"),
            },
            Err(expected) => assert_eq!(answer, Err(expected), "{self}"),
        }
        self.look();
    }

    /// A writable mapping, as a client has one.
    fn map(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        if self.writers.len() == MOST || !self.model.is_file() || self.model.sort == Sort::Huge {
            return;
        }
        let len = 1 + u64::from(byte(u)) * 64;
        let copy = rustix::io::fcntl_dupfd_cloexec(file, 0).expect("an fd");
        let mapped = OwnMemory::map_shared(copy, len);
        assert_eq!(mapped.is_ok(), self.model.may_map_writable(*opened), "{:?}: {self}", mapped.err());
        self.writers.extend(mapped);
    }

    /// Through a mapping that there was before, a file can be written even with `F_SEAL_FUTURE_WRITE`.
    fn write_through_mapping(&mut self, u: &mut Unstructured<'_>) {
        let Some(mut writer) = self.writers.pop() else { return };
        let (offset, bytes) = (u64::from(byte(u)) * 61, [byte(u); 50]);
        let end = offset + bytes.len() as u64;
        if end > writer.len() as u64 {
            return;
        }
        // Beyond the page with the last byte there is nothing.
        let is_there = end <= self.model.size.next_multiple_of(PAGE);
        let written = writer.write_at(offset as usize, &bytes);
        assert_eq!(written.is_ok(), is_there, "{offset}, {:?}: {self}", written.err());
        if is_there {
            self.model.written_in_place(offset, &bytes);
            self.writers.push(writer);
        } else {
            // What was written before the fault is not known, and other pages lie there now.
            self.model.forget_content();
        }
    }

    fn freeze(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        let len = self.claim(u);
        let frozen = Frozen::new(file.as_fd(), len);
        let expected = self.model.verdict(*opened, len) == Verdict::Sealed && self.model.has(Seals::WRITE);
        if len > LARGE {
            return;
        }
        assert_eq!(frozen.is_ok(), expected, "{len}, {:?}: {self}", frozen.err());
        if let Ok(frozen) = frozen
            && self.frozen.len() < MOST
        {
            let before = frozen.to_vec();
            self.frozen.push((frozen, before));
        }
    }

    /// Memory that may vanish, read under the guard and with pread(2).
    fn guard(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let (file, opened) = &self.fds[which];
        let len = self.claim(u);
        if len <= LARGE && self.model.sort != Sort::Huge && self.guarded.len() < MOST {
            let usable = !matches!(self.model.verdict(*opened, len), Verdict::Unusable { .. });
            let mapped = Mapping::<Guarded>::new(file.as_fd(), len);
            assert_eq!(mapped.is_ok(), usable, "{len}, {:?}: {self}", mapped.err());
            let could_write = self.model.may_map_writable(*opened);
            self.guarded.extend(mapped.map(|m| (m, could_write)));
            let reader = pread::Reader::open(file.as_fd(), len);
            assert_eq!(reader.is_ok(), usable, "{len}, {:?}: {self}", reader.err());
            if let Ok(reader) = reader {
                let mut bytes = vec![0; len as usize];
                reader.read_at(0, &mut bytes).expect("what is there can be read");
                self.model.compare(&bytes);
            }
        }
        let model = &self.model;
        self.guarded.retain(|(mapping, _)| {
            let mut bytes = vec![0; mapping.len()];
            let is_there = mapping.len() as u64 <= model.size.next_multiple_of(PAGE);
            match mapping.copy_to(0, &mut bytes) {
                Ok(()) => {
                    assert!(is_there, "{} bytes: {model}", mapping.len());
                    model.compare(&bytes[..bytes.len().min(model.size as usize)]);
                    true
                }
                Err(ReadError::Fault { .. }) => {
                    assert!(!is_there, "{} bytes: {model}", mapping.len());
                    assert!(mapping.copy_to(0, &mut bytes[..1]).is_err(), "it is whole again");
                    // Other pages lie there now.
                    false
                }
                Err(other) => panic!("{other}"),
            }
        });
    }

    /// A length that a client could claim.
    fn claim(&self, u: &mut Unstructured<'_>) -> u64 {
        match byte(u) {
            0..=127 => self.model.size,
            128..=191 => self.model.size.saturating_sub(u64::from(byte(u)) * 16),
            192..=239 => self.model.size.saturating_add_signed(i64::from(byte(u)) - 128),
            _ => int(u) as u64,
        }
    }

    fn judge(&mut self, u: &mut Unstructured<'_>, which: usize) {
        let claim = self.claim(u);
        let adopts = byte(u).is_multiple_of(4);
        let (file, opened) = &self.fds[which];
        let examined = if adopts {
            let examined = verdict::adopt(file.as_fd(), claim);
            assert_eq!(examined.adopted, self.model.adopt(*opened), "{self}");
            examined
        } else {
            verdict::examine(file.as_fd(), claim)
        };
        let kind = self.model.kind(*opened);
        let expected = self.model.verdict(*opened, claim);
        assert_eq!((examined.kind, &examined.verdict), (kind, &expected), "{claim}, {opened:?}: {self}");
        let size = (self.model.is_file() && *opened != Opened::Path).then_some(self.model.size);
        assert_eq!(examined.file_size, size, "{self}");
        self.look();
        let mapped = Mapping::<Sealed>::new(file.as_fd(), claim);
        assert_eq!(mapped.is_ok(), expected == Verdict::Sealed, "{claim}, {:?}: {self}", mapped.err());
        // Rarely kept: it is in the way of F_SEAL_WRITE.
        if self.promised.len() < MOST && byte(u) < 64 {
            let could_write = self.model.may_map_writable(*opened);
            self.promised.extend(mapped.map(|m| (m, could_write)));
        } else if mapped.is_ok() {
            self.promises.push(claim);
        }
    }

    /// Keeps every promise.
    fn check(&mut self) {
        self.look();
        if let Some((readable, _)) =
            self.fds.iter().find(|(_, opened)| matches!(opened, Opened::ReadWrite | Opened::ReadOnly))
        {
            let longest = self.promises.iter().max();
            let mapped = longest.map(|len| Mapping::<Sealed>::new(readable.as_fd(), *len));
            self.promised.extend(mapped.map(|m| (m.expect("what was sealed still is"), false)));
        }
        for (mapping, _) in &self.promised {
            let len = mapping.len() as u64;
            assert!(len <= self.model.size, "{len} bytes were promised: {self}");
            let mut bytes = vec![0; len.min(LARGE) as usize];
            mapping.copy_to(0, &mut bytes).expect("what was sealed can be read");
            self.model.compare(&bytes);
            let at = mapping.len() - bytes.len();
            mapping.copy_to(at, &mut bytes).expect("what was sealed can be read to its end");
            assert_eq!(mapping.fault(), None, "{self}");
        }
        for (frozen, before) in &self.frozen {
            assert!(**frozen == **before, "what was frozen has changed: {self}");
            self.model.compare(frozen);
        }
    }
}

impl std::fmt::Display for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let opened: Vec<Opened> = self.fds.iter().map(|(_, opened)| *opened).collect();
        write!(f, "{}, opened {opened:?}, {} writable mappings", self.model, self.writers.len())
    }
}
