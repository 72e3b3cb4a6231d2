//! How much System V shared memory there may be, and how much there is.

use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

/// The limits of this IPC namespace (`proc_sys_kernel(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `SHMMAX`, `/proc/sys/kernel/shmmax`: the most bytes of one segment. Since Linux 3.16 practically unlimited, unless
    /// somebody has lowered it.
    pub max_size: u64,
    /// `SHMMNI`, `/proc/sys/kernel/shmmni`: the most segments at one time; 4096 by default. Segments that nobody uses
    /// any more count until they are removed.
    pub max_segments: u64,
    /// `SHMALL`, `/proc/sys/kernel/shmall`: the most **pages** (not bytes) of all segments together.
    pub max_pages: u64,
    /// `SHMMIN`: the fewest bytes of one segment. Always 1, and cannot be set.
    pub min_size: u64,
    /// The size of a page in bytes. Each segment takes up whole pages.
    pub page: u64,
}

impl Limits {
    /// Reads the limits.
    ///
    /// # Errors
    ///
    /// [`LimitsError::Read`], [`LimitsError::Parse`].
    pub fn read() -> Result<Limits, LimitsError> {
        Ok(Limits {
            max_size: number("shmmax")?,
            max_segments: number("shmmni")?,
            max_pages: number("shmall")?,
            min_size: 1,
            page: rustix::param::page_size() as u64,
        })
    }

    /// The most bytes of all segments together: `SHMALL` in bytes; `u64::MAX` if that is more than there are numbers.
    pub fn max_bytes(&self) -> u64 {
        self.max_pages.saturating_mul(self.page)
    }
}

fn number(name: &str) -> Result<u64, LimitsError> {
    let path = Path::new("/proc/sys/kernel").join(name);
    let text =
        std::fs::read_to_string(&path).map_err(|source| LimitsError::Read { path: path.clone(), source })?;
    text.trim().parse().map_err(|_| LimitsError::Parse { path, text: text.trim().to_owned() })
}

/// What is there at the moment (`SHM_INFO`), of all users of this IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How many segments there are.
    pub segments: u64,
    /// How many pages they have, used or not. This is what `SHMALL` limits.
    pub pages: u64,
    /// How many of those are in memory.
    pub resident_pages: u64,
    /// How many of those are in swap.
    pub swapped_pages: u64,
}

/// `struct shm_info` of `linux/shm.h`.
#[repr(C)]
#[derive(Debug)]
struct ShmInfo {
    used_ids: libc::c_int,
    total: libc::c_ulong,
    resident: libc::c_ulong,
    swapped: libc::c_ulong,
    swap_attempts: libc::c_ulong,
    swap_successes: libc::c_ulong,
}

const SHM_INFO: libc::c_int = 14;

impl Usage {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// [`LimitsError::Usage`]: `ENOSYS` if this kernel has no System V IPC.
    pub fn read() -> Result<Usage, LimitsError> {
        let mut info = MaybeUninit::<ShmInfo>::zeroed();
        // SAFETY: SHM_INFO ignores the id and writes a `struct shm_info`, which `info` has room for.
        if unsafe { libc::shmctl(0, SHM_INFO, info.as_mut_ptr().cast()) } < 0 {
            return Err(LimitsError::Usage { source: io::Error::last_os_error() });
        }
        // SAFETY: numbers, all zeros before and written by the kernel since.
        let info = unsafe { info.assume_init() };
        Ok(Usage {
            segments: u64::try_from(info.used_ids).unwrap_or(0),
            pages: info.total,
            resident_pages: info.resident,
            swapped_pages: info.swapped,
        })
    }
}

/// Why the limits are not known.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// A file cannot be read.
    #[error("cannot read {}: does this kernel have System V IPC (CONFIG_SYSVIPC), and is /proc mounted?", .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It has no number in it.
    #[error("{} holds `{text}`, which is no number", .path.display())]
    Parse {
        /// Its path.
        path: PathBuf,
        /// Its content.
        text: String,
    },
    /// The kernel does not say.
    #[error("cannot ask how much System V shared memory there is (SHM_INFO)")]
    Usage {
        /// What the kernel said.
        source: io::Error,
    },
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::sysv::{Create, Key, Segment};

    #[test]
    fn limits_are_those_of_proc() {
        let limits = Limits::read().unwrap();
        let shmmni = std::fs::read_to_string("/proc/sys/kernel/shmmni").unwrap();
        assert_eq!(limits.max_segments.to_string(), shmmni.trim());
        assert!(limits.max_size >= 1 << 20, "{limits:?}");
        assert!(limits.max_bytes() >= limits.max_pages);
    }

    #[test]
    fn usage_counts_what_is_made() {
        let pages = 0x1_2345;
        let size = pages * rustix::param::page_size() as u64;
        let segment = Segment::create(Key::PRIVATE, &Create::new(size)).unwrap().remove_on_drop();
        let usage = Usage::read().unwrap();
        assert!(usage.segments >= 1 && usage.pages >= pages, "{usage:?}");
        drop(segment);
    }
}
