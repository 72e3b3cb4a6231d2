//! The memory behind a pool, of the kind and with the seals that were asked for.
//!
//! A well-behaved client uses a sealed memfd. The other kinds are there to see what a compositor
//! says to them.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, ftruncate};
use rustix::shm;
use shm_core::dmabuf::DmaBufError;
use shm_core::own::{OwnError, OwnMemory};
use shm_core::seals::{SealError, Seals};

use crate::config::Memory;

/// Writes bytes at an offset: how a picture gets into memory of any kind.
pub type Write<'a> = dyn FnMut(u64, &[u8]) -> Result<(), MemoryError> + 'a;

/// Memory that a compositor is given to read.
#[derive(Debug)]
pub struct Backing {
    memory: OwnMemory,
    grows: bool,
}

impl Backing {
    /// Makes `size` bytes. `seals` are [`crate::Config::seals`], and only concern a memfd.
    pub fn create(kind: &Memory, seals: Option<Seals>, size: u64) -> Result<Backing, MemoryError> {
        let memory = match kind {
            Memory::Memfd => {
                // Sealed after it is mapped: with F_SEAL_FUTURE_WRITE only mappings made before may write.
                let memory = OwnMemory::create("selkie-client", size, seals.map(|_| Seals::empty()))?;
                if let Some(seals) = seals.filter(|seals| !seals.is_empty()) {
                    Seals::add(memory.fd(), seals)?;
                }
                memory
            }
            Memory::PosixShm => sized(posix_shm()?, size)?,
            Memory::File(path) => sized(file(path)?, size)?,
        };
        let fixed = Seals::GROW.union(Seals::FUTURE_WRITE);
        let grows = *kind != Memory::Memfd || !seals.unwrap_or(Seals::empty()).intersects(fixed);
        Ok(Backing { memory, grows })
    }

    /// The file.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.memory.fd()
    }

    /// Whether [`Backing::grow`] can work: not if the seals forbid it.
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// Makes it longer.
    pub fn grow(&mut self, size: u64) -> Result<(), MemoryError> {
        Ok(self.memory.resize(size)?)
    }

    /// Writes `bytes` at `offset`.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let offset = usize::try_from(offset).map_err(|_| MemoryError::TooLarge { bytes: offset })?;
        Ok(self.memory.write_at(offset, bytes)?)
    }

    /// What no client should do: takes memory away that the compositor may be reading. The kernel's answer.
    pub fn shrink(&self, size: u64) -> io::Result<()> {
        Ok(ftruncate(self.fd(), size)?)
    }
}

/// A new object in /dev/shm, without its name.
fn posix_shm() -> Result<OwnedFd, MemoryError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("/selkie-client-{}-{number}", std::process::id());
    let create = |source: rustix::io::Errno| MemoryError::PosixShm { source: source.into() };
    let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
    let fd = shm::open(&name, flags, Mode::RUSR | Mode::WUSR).map_err(create)?;
    shm::unlink(&name).map_err(create)?;
    Ok(fd)
}

/// A new file, without its name.
fn file(path: &Path) -> Result<OwnedFd, MemoryError> {
    let create = |source| MemoryError::File { path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(create)?;
    std::fs::remove_file(path).map_err(create)?;
    Ok(file.into())
}

fn sized(fd: OwnedFd, size: u64) -> Result<OwnMemory, MemoryError> {
    ftruncate(&fd, size).map_err(|error| MemoryError::Size { bytes: size, source: error.into() })?;
    Ok(OwnMemory::map_shared(fd, size)?)
}

/// Why there is no memory for the buffers.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It could not be made, mapped, resized or written.
    #[error("the client's memory")]
    Own(#[from] OwnError),
    /// A dma-buf could not be drawn in.
    #[error("the client's dma-buf")]
    DmaBuf(#[from] DmaBufError),
    /// It could not be sealed.
    #[error("the client's memory cannot get the seals asked for")]
    Seal(#[from] SealError),
    /// `shm_open` or `shm_unlink` failed.
    #[error("cannot make POSIX shared memory")]
    PosixShm {
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be made.
    #[error("cannot make the file {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not get its size.
    #[error("cannot make the memory {bytes} bytes long")]
    Size {
        /// The size asked for.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// More than a `wl_shm_pool` can be.
    #[error("buffers of {bytes} bytes do not fit into a pool of at most {max}", max = i32::MAX)]
    TooLarge {
        /// The size it would have needed.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_written_and_grown_and_has_the_seals_it_should() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool");
        let sealed = Seals::SEAL.union(Seals::SHRINK);
        let kinds = [
            (Memory::Memfd, None, Some(Seals::SEAL)),
            (Memory::Memfd, Some(Seals::empty()), Some(Seals::empty())),
            (Memory::Memfd, Some(sealed), Some(sealed)),
            (Memory::PosixShm, Some(sealed), Some(Seals::SEAL)),
            (Memory::File(path.clone()), None, None),
        ];
        for (kind, seals, expected) in kinds {
            let mut backing = Backing::create(&kind, seals, 4096).unwrap();
            let found = Seals::of(backing.fd()).ok().map(|s| s.difference(Seals::EXEC));
            if !matches!(kind, Memory::File(_)) {
                assert_eq!(found, expected, "{kind} {seals:?}");
            }
            backing.write(4095, &[1]).unwrap();
            let mut seen = [0];
            rustix::io::pread(backing.fd(), &mut seen, 4095).unwrap();
            assert_eq!(seen, [1], "{kind} {seals:?}");
            assert!(backing.grows());
            backing.grow(8192).unwrap();
            backing.write(8191, &[1]).unwrap();
            assert!(backing.write(8192, &[1]).is_err());
            let shrunk = backing.shrink(0).map_err(|e| e.raw_os_error());
            let eperm = Some(rustix::io::Errno::PERM.raw_os_error());
            let stays = kind == Memory::Memfd && seals == Some(sealed);
            assert_eq!(shrunk, if stays { Err(eperm) } else { Ok(()) }, "{kind} {seals:?}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn future_write_leaves_the_maker_its_mapping() {
        let seals = Seals::SHRINK.union(Seals::FUTURE_WRITE);
        let mut backing = Backing::create(&Memory::Memfd, Some(seals), 4096).unwrap();
        assert!(Seals::of(backing.fd()).unwrap().contains(seals));
        backing.write(0, &[7; 4096]).unwrap();
        assert!(!backing.grows());
    }

    #[test]
    fn a_file_that_exists_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        std::fs::write(&path, "text").unwrap();
        assert!(Backing::create(&Memory::File(path.clone()), None, 4096).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
    }
}
