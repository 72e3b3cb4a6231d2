//! Huge pages of the whole machine's, taken for the time of a case and given back.

use std::fs::{self, File};
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, MemfdFlags, SealFlags};

use crate::case::Stop;
use crate::memory::{NAME, cannot};

/// How many there are; see hugetlbpage in the kernel's admin-guide.
const POOL: &str = "/proc/sys/vm/nr_hugepages";
/// The size of one, in bytes.
pub const SIZE: u64 = 2 << 20;

/// Huge pages that are there as long as this is.
#[derive(Debug)]
pub struct HugePages {
    /// Others that want some wait.
    _lock: File,
}

impl HugePages {
    /// Makes the kernel set some aside.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if it does not, or if there are some already: those would be in the way.
    pub fn take(count: u64) -> Result<HugePages, Stop> {
        let sizes = fs::read_to_string("/proc/meminfo").map_err(cannot("read /proc/meminfo"))?;
        if !sizes.lines().any(|line| line.starts_with("Hugepagesize:") && line.ends_with(" 2048 kB")) {
            return Err(Stop::skip("huge pages of 2 MiB are not the default here"));
        }
        let lock = File::open(POOL).map_err(cannot("open the number of huge pages"))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(cannot("lock the huge pages"))?;
        if number()? != 0 {
            return Err(Stop::skip("somebody uses huge pages on this machine, so they cannot be used up"));
        }
        fs::write(POOL, count.to_string()).map_err(cannot("set huge pages aside"))?;
        let pages = HugePages { _lock: lock };
        // Dropping gives back what there is of them.
        if number()? == count { Ok(pages) } else { Err(Stop::skip("there is no room for huge pages")) }
    }

    /// Gives back those that are not in use, so that there are none left to be had.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if some stay.
    pub fn empty(&self) -> Result<(), Stop> {
        fs::write(POOL, "0").map_err(cannot("give huge pages back"))?;
        if number()? == 0 { Ok(()) } else { Err(Stop::skip("a huge page is held by somebody")) }
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = fs::write(POOL, "0");
    }
}

fn number() -> Result<u64, Stop> {
    let text = fs::read_to_string(POOL).map_err(cannot("read the number of huge pages"))?;
    text.trim().parse().map_err(cannot("read the number of huge pages"))
}

/// A memfd of one huge page, with `F_SEAL_SHRINK`.
///
/// # Errors
///
/// [`Stop::Skip`] if the kernel has no such thing.
pub fn sealed() -> Result<OwnedFd, Stop> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let fd = rustix::fs::memfd_create(NAME, flags).map_err(cannot("make a hugetlb memfd"))?;
    rustix::fs::ftruncate(&fd, SIZE).map_err(cannot("give a hugetlb memfd its size"))?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).map_err(cannot("seal a hugetlb memfd"))?;
    Ok(fd)
}
