//! Pools: a client's fd, how it may be read, and what became of it.
//!
//! A mapping is never changed. A resize makes a new one; the old one lives until the last reader
//! that took a reference to it is done, so no reader ever holds a pointer that a resize moved.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use shm_core::mapping::{Guarded, MapError, Mapping, ReadError, Sealed};
use shm_core::verdict::{Kind, Verdict, examine};

use super::admit::map_guarded;
use super::{Facts, Kept};
use crate::client::ClientState;

/// How a pool's memory is read.
#[derive(Clone)]
pub enum Access {
    /// Proven to stay; mapped when it is first read.
    Sealed(Arc<SealedMemory>),
    /// Mapped, and read under the guard because it may go away.
    Guarded(Arc<Mapping<Guarded>>),
    /// Never mapped: read with pread(2).
    Copied,
}

/// Memory whose verdict is `Sealed`. What is passed on as it is is never read, and so never mapped.
pub struct SealedMemory {
    len: u64,
    mapping: OnceLock<Mapping<Sealed>>,
}

impl SealedMemory {
    /// The first `len` bytes of memory that was found `Sealed` for that length.
    pub(super) fn new(len: u64) -> Arc<Self> {
        Arc::new(Self { len, mapping: OnceLock::new() })
    }

    /// The mapping of `fd`, which is that memory.
    fn map(&self, fd: BorrowedFd<'_>) -> Result<&Mapping<Sealed>, MapError> {
        match self.mapping.get() {
            Some(mapping) => Ok(mapping),
            None => {
                let mapping = Mapping::<Sealed>::new(fd, self.len)?;
                Ok(self.mapping.get_or_init(|| mapping))
            }
        }
    }
}

/// How one frame of one surface got to the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Path {
    /// The host shows the memory itself.
    Forwarded = 1,
    /// The display hardware reads the memory itself.
    Scanout = 2,
    /// A GPU samples the memory itself.
    Imported = 3,
    /// The compositor drew it.
    Composed = 4,
}

impl Path {
    /// Its name in output and reports.
    pub fn name(self) -> &'static str {
        match self {
            Path::Forwarded => "forwarded",
            Path::Scanout => "scanout",
            Path::Imported => "imported",
            Path::Composed => "composed",
        }
    }

    pub(super) fn from_u8(n: u8) -> Option<Path> {
        [Path::Forwarded, Path::Scanout, Path::Imported, Path::Composed].into_iter().find(|p| *p as u8 == n)
    }
}

/// A `wl_shm_pool`: an fd, a size, and the ledger's counters.
pub struct Pool {
    id: u64,
    fd: OwnedFd,
    facts: Facts,
    state: Mutex<State>,
    client: Arc<ClientState>,
    /// What the backend made of it.
    pub(crate) kept: Kept,
    /// What it made of it as a dma-buf.
    pub(crate) imported: Kept,
}

/// What memory holds, in bytes.
pub(crate) struct Resident {
    /// Pages that are there.
    pub held: u64,
    /// Pages that could be there.
    pub size: u64,
}

struct State {
    size: u64,
    access: Access,
}

/// Why a pool cannot be resized.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// `wl_shm_pool.resize` can only grow a pool.
    #[error("a pool of {size} bytes cannot be resized to {wanted}: pools only grow")]
    Shrinks {
        /// Present size in bytes.
        size: u64,
        /// Size asked for in bytes.
        wanted: i32,
    },
    /// The memory is not fit for the new size.
    #[error("cannot resize the pool to {wanted} bytes: {why}")]
    Refused {
        /// Size asked for in bytes.
        wanted: u64,
        /// What is wrong and what to do.
        why: String,
    },
    /// The memory is fit, but could not be mapped.
    #[error("cannot map the pool's {wanted} bytes")]
    Map {
        /// Size asked for in bytes.
        wanted: u64,
        /// What the mapping said.
        source: MapError,
    },
}

impl Pool {
    /// A pool of `size` bytes, accepted with `facts`, to be read by `access`.
    pub fn new(
        id: u64,
        fd: OwnedFd,
        size: u64,
        access: Access,
        facts: Facts,
        client: Arc<ClientState>,
    ) -> Arc<Self> {
        let pool = Arc::new(Self {
            id,
            fd,
            facts,
            state: Mutex::new(State { size, access }),
            client,
            kept: Kept::default(),
            imported: Kept::default(),
        });
        let mut pools = pool.client.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.insert(id, Arc::downgrade(&pool));
        drop(pools);
        pool
    }

    /// Its number in the ledger; never used again.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The memory behind it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What was known about the memory when it was accepted.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whose it is.
    pub fn client(&self) -> &Arc<ClientState> {
        &self.client
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.lock().size
    }

    /// How it is read at present. What is returned stays valid across a resize.
    pub fn access(&self) -> Access {
        self.lock().access.clone()
    }

    /// Grows the pool to `wanted` bytes.
    ///
    /// # Errors
    ///
    /// [`ResizeError`] if that is no growth, or the memory is not there.
    pub fn resize(&self, wanted: i32) -> Result<(), ResizeError> {
        let mut state = self.lock();
        let size = match u64::try_from(wanted) {
            Ok(new) if new >= state.size && new > 0 => new,
            _ => return Err(ResizeError::Shrinks { size: state.size, wanted }),
        };
        if size == state.size {
            return Ok(());
        }
        let examined = examine(self.fd(), size);
        let refused = |why: String| Err(ResizeError::Refused { wanted: size, why });
        let map = |access: Result<Access, MapError>| {
            access.map_err(|source| ResizeError::Map { wanted: size, source })
        };
        state.access = match (&state.access, &examined.verdict) {
            (_, Verdict::Unusable { why }) => return refused(why.to_string()),
            (Access::Sealed(_), Verdict::Sealed) => Access::Sealed(SealedMemory::new(size)),
            // Seals cannot be taken off, so a sealed pool stays sealed or becomes too short.
            (Access::Sealed(_), Verdict::Unsealed { why }) => return refused(why.to_string()),
            (Access::Guarded(_), _) => map(map_guarded(self.fd(), size))?,
            (Access::Copied, _) => Access::Copied,
        };
        state.size = size;
        Ok(())
    }

    /// Calls `f` with a pointer to `len` bytes at `offset`, the guard armed.
    pub(super) fn read<R>(
        &self,
        offset: usize,
        len: usize,
        f: impl FnOnce(*const u8) -> R,
    ) -> Result<R, String> {
        let range = offset..offset.saturating_add(len);
        match self.access() {
            Access::Sealed(m) => {
                m.map(self.fd()).map_err(|e| e.to_string())?.read(range, |p, _| f(p)).map_err(|e| {
                    if let ReadError::Fault { .. } = e {
                        // The verdict promised that this cannot be.
                        tracing::error!(pool = self.id, "bug in selkie: a sealed pool faulted: {e}");
                    }
                    e.to_string()
                })
            }
            Access::Guarded(m) => m.read(range, |p, _| f(p)).map_err(|e| e.to_string()),
            Access::Copied => Err("it is never mapped under policy copy".into()),
        }
    }

    /// Which memory it is (device and inode), and how much that holds now, whoever filled it. A file
    /// on a disk holds none: its pages can be dropped at any time.
    pub(crate) fn resident(&self) -> Option<((u64, u64), Resident)> {
        // The file systems of these are the kernel's own, so the question cannot stall.
        if !matches!(self.facts.kind, Kind::Memfd | Kind::HugetlbMemfd | Kind::Tmpfs) {
            return None;
        }
        let stat = rustix::fs::fstat(&self.fd).ok()?;
        let held = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        let size = u64::try_from(stat.st_size).unwrap_or(0).next_multiple_of(4096);
        Some(((stat.st_dev, stat.st_ino), Resident { held, size }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that holds the lock panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.client.counts.pools.fetch_sub(1, Ordering::Relaxed);
        self.client.pools.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
