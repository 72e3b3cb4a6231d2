//! A dma-buf that is another name for pages of a memfd, and whether it still is.
//!
//! [`udmabuf`](crate::udmabuf) pins the pages that the file has at that moment. A hole punched later (`fallocate(2)`,
//! `MADV_REMOVE`), which `F_SEAL_SHRINK` permits, drops pages from the file, and whatever is written there afterwards lands in new
//! ones: the dma-buf would show the old. Nobody is told of a hole, but dropping pages sets the file's ctime, as every change of its
//! shape does, and nobody can set that back. So the dma-buf shows what the file holds as long as the ctime is what it was when the
//! pages were taken. One call of fstat(2) finds out.
//!
//! The clock of the file system ticks some hundred times a second, so of two changes within a tick the second does not show. Hence
//! pages are taken only when the last change is already a tick in the past: any later one has another time.
//!
//! A first write to a page through a mapping sets the ctime too, and so does write(2). That costs a needless second
//! taking, nothing else. A process that punches a hole in one thread while another draws into it and passes it on can
//! have the old page shown, until it is asked again.
//!
//! See `fallocate(2)`, `inode(7)`, and `shmem_truncate_range` in `mm/shmem.c`.

use std::os::fd::BorrowedFd;

use rustix::time::{ClockId, clock_gettime};

use crate::dmabuf::DmaBuf;
use crate::udmabuf::{Udmabuf, UdmabufError};

/// Why there is no alias.
#[derive(Debug, thiserror::Error)]
pub enum AliasError {
    /// The memory changed its shape just now; later it can be told whether it does so again.
    #[error("the memory's shape has changed within the last tick of the clock")]
    TooFresh,
    /// The file does not say when it changed.
    #[error("cannot ask when the memory last changed its shape")]
    Stat(#[source] rustix::io::Errno),
    /// There can be no such dma-buf.
    #[error(transparent)]
    Udmabuf(#[from] UdmabufError),
}

/// Pages of a memfd as a dma-buf.
#[derive(Debug)]
pub struct Alias {
    dmabuf: DmaBuf,
    taken: Ctime,
}

/// Seconds and nanoseconds of the real-time clock.
type Ctime = (i64, i64);

impl Alias {
    /// Takes the pages of `size` bytes of `memfd` from `offset` on. What is a hole there becomes pages of zeros.
    ///
    /// `memfd` has to be known as memory of the kernel's own (its verdict is `Sealed`), or asking it may take for ever.
    ///
    /// # Errors
    ///
    /// [`AliasError::TooFresh`], after which it is worth trying again; the others are for ever.
    pub fn take(
        device: &Udmabuf,
        memfd: BorrowedFd<'_>,
        offset: u64,
        size: u64,
    ) -> Result<Alias, AliasError> {
        let before = ctime(memfd)?;
        if before >= tick() {
            return Err(AliasError::TooFresh);
        }
        let dmabuf = device.create(&memfd, offset, size)?;
        // Filling holes is a change too, and so is a hole punched meanwhile.
        match ctime(memfd)? == before {
            true => Ok(Alias { dmabuf, taken: before }),
            false => Err(AliasError::TooFresh),
        }
    }

    /// The dma-buf.
    pub fn dmabuf(&self) -> &DmaBuf {
        &self.dmabuf
    }

    /// Whether its pages are still those of `memfd`, the memory it was made from. Once they are not, they never will be again.
    pub fn is_current(&self, memfd: BorrowedFd<'_>) -> bool {
        ctime(memfd).is_ok_and(|now| now == self.taken)
    }
}

fn ctime(fd: BorrowedFd<'_>) -> Result<Ctime, AliasError> {
    let stat = rustix::fs::fstat(fd).map_err(AliasError::Stat)?;
    Ok((stat.st_ctime, stat.st_ctime_nsec as i64))
}

/// The time that a change would get now, at the least.
fn tick() -> Ctime {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    (now.tv_sec, now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::{FallocateFlags, fallocate, ftruncate, memfd_create};

    use super::*;
    use crate::own::OwnMemory;
    use crate::seals::Seals;

    const LEN: u64 = 8 * 4096;

    /// Waits until the clock of the file system has ticked since the last change of `fd`.
    fn settle(fd: &OwnedFd) {
        let last = ctime(fd.as_fd()).unwrap();
        while tick() <= last {
            std::thread::yield_now();
        }
    }

    /// What makes a hole in memory sets its ctime, on whatever kernel this runs: the rule rests on it.
    #[test]
    fn a_hole_sets_the_ctime() {
        let mut memory = OwnMemory::create("alias", LEN, Some(Seals::SHRINK)).unwrap();
        let fd: OwnedFd = memory.fd().as_fd().try_clone_to_owned().unwrap();
        memory.write_at(0, &[7; LEN as usize]).unwrap();
        settle(&fd);
        let before = ctime(fd.as_fd()).unwrap();
        memory.write_at(4096, &[8; 4096]).unwrap();
        assert_eq!(
            ctime(fd.as_fd()).unwrap(),
            before,
            "drawing into pages that are there is no change of shape"
        );
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&fd, punch, 4096, 4096).unwrap();
        assert_ne!(ctime(fd.as_fd()).unwrap(), before);
    }

    #[test]
    fn growing_sets_the_ctime() {
        let fd = memfd_create("alias", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        settle(&fd);
        let before = ctime(fd.as_fd()).unwrap();
        ftruncate(&fd, LEN).unwrap();
        assert_ne!(ctime(fd.as_fd()).unwrap(), before);
    }

    /// In the guest: the stale page, and that it is found.
    #[test]
    fn a_dmabuf_of_pages_that_were_dropped_is_found_out() {
        let device = match Udmabuf::open() {
            Ok(device) => device,
            Err(e) if std::env::var_os("SELKIE_REQUIRE_DMABUF").is_some_and(|v| v == "1") => panic!("{e}"),
            Err(e) => {
                eprintln!("skipped: {e}");
                return;
            }
        };
        let mut memory = OwnMemory::create("alias", LEN, Some(Seals::SHRINK)).unwrap();
        let fd: OwnedFd = memory.fd().as_fd().try_clone_to_owned().unwrap();
        memory.write_at(0, &[7; LEN as usize]).unwrap();
        settle(&fd);
        let alias = Alias::take(&device, fd.as_fd(), 4096, 2 * 4096).unwrap();
        let byte = |alias: &Alias| {
            let mapping = alias.dmabuf().map().unwrap();
            // SAFETY: the pointer is good for the byte that was asked for, as long as the closure runs.
            mapping.read(0..1, |p, _| unsafe { p.read_volatile() }).unwrap()
        };
        memory.write_at(4096, &[8; 4096]).unwrap();
        assert_eq!((byte(&alias), alias.is_current(fd.as_fd())), (8, true), "the same pages");
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&fd, punch, 4096, 4096).unwrap();
        memory.write_at(4096, &[9; 4096]).unwrap();
        assert_eq!(
            (byte(&alias), alias.is_current(fd.as_fd())),
            (8, false),
            "the old page, and that it is old"
        );
        settle(&fd);
        let again = Alias::take(&device, fd.as_fd(), 4096, 2 * 4096).unwrap();
        assert_eq!((byte(&again), again.is_current(fd.as_fd())), (9, true));
    }
}
