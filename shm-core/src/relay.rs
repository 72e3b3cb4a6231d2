//! May a client's memory be handed on to a third process, which will map it read-write?
//!
//! A nested compositor that passes its client's memory on to its host answers for it: a host that cannot map a pool ends the
//! connection that sent it. Hosts map pools read-write and shared, which the kernel refuses for a read-only fd (`EACCES`) and for
//! memory with `F_SEAL_WRITE` or `F_SEAL_FUTURE_WRITE` (`EPERM`).
//!
//! To find neither seal is not enough, since the client can add one between our look and the host's mmap(2). So the set of
//! seals is closed first, with `F_SEAL_SEAL`: from then on the answer stays true. What that takes from the client is
//! the possibility to seal memory that it has already shared.
//!
//! See `fcntl(2)`, "File Sealing", and `mmap(2)`.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::OFlags;

use crate::seals::Seals;
use crate::verdict::ASKERS;

/// Why memory cannot be handed on. Each is a sentence for the person who wrote the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRelayable {
    /// The fd does not permit a writable mapping.
    #[error("the fd is read-only, and the host maps pools read-write: open it read-write")]
    ReadOnly,
    /// The seals do not permit a new writable mapping.
    #[error(
        "the memory is sealed against writing ({0}), and the host maps pools read-write: leave that seal out"
    )]
    WriteSealed(Seals),
    /// The size is not fixed from below.
    #[error("the memory has no F_SEAL_SHRINK, so it could vanish under the host")]
    Unsealed,
    /// The owner keeps the kernel from adding a seal.
    #[error("its owner keeps the memory locked, so that F_SEAL_SEAL cannot be added")]
    Locked,
    /// The kernel does not say.
    #[error("the fd cannot be asked about its seals")]
    Unknown,
}

/// Closes the set of seals of the memory behind `fd` and returns it, if a process that gets the fd can map the memory read-write now
/// and at any later time, and none of it can be cut off.
///
/// The seal is added on a helper thread, since the memory's owner can make that wait for ever.
///
/// # Errors
///
/// [`NotRelayable`]; the seals may have been closed all the same.
pub fn close_seals(fd: BorrowedFd<'_>) -> Result<Seals, NotRelayable> {
    let flags = rustix::fs::fcntl_getfl(fd).map_err(|_| NotRelayable::Unknown)?;
    if flags & OFlags::ACCMODE != OFlags::RDWR {
        return Err(NotRelayable::ReadOnly);
    }
    let before = fit(Seals::of(fd).map_err(|_| NotRelayable::Unknown)?)?;
    if before.contains(Seals::SEAL) {
        return Ok(before);
    }
    let copy = fd.try_clone_to_owned().map_err(|_| NotRelayable::Unknown)?;
    // Whether it worked is seen by asking for the seals again.
    ASKERS.ask(move || drop(Seals::add(copy.as_fd(), Seals::SEAL))).ok_or(NotRelayable::Locked)?;
    let after = fit(Seals::of(fd).map_err(|_| NotRelayable::Unknown)?)?;
    if after.contains(Seals::SEAL) { Ok(after) } else { Err(NotRelayable::Locked) }
}

/// Whether no seal can be added to the memory behind `fd`, so that [`close_seals`] answers without waiting for anybody; this
/// never does.
pub fn are_closed(fd: BorrowedFd<'_>) -> bool {
    Seals::of(fd).is_ok_and(|seals| seals.contains(Seals::SEAL))
}

fn fit(seals: Seals) -> Result<Seals, NotRelayable> {
    if seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
        return Err(NotRelayable::WriteSealed(seals));
    }
    if seals.contains(Seals::SHRINK) { Ok(seals) } else { Err(NotRelayable::Unsealed) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    fn memory(seals: Seals) -> OwnedFd {
        let fd = rustix::fs::memfd_create("relay", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&fd, 4096).unwrap();
        if seals != Seals::default() {
            Seals::add(&fd, seals).unwrap();
        }
        fd
    }

    #[test]
    fn afterwards_no_seal_can_be_added() {
        let fd = memory(Seals::SHRINK);
        assert!(!are_closed(fd.as_fd()));
        assert_eq!(close_seals(fd.as_fd()), Ok(Seals::SHRINK | Seals::SEAL));
        assert!(are_closed(fd.as_fd()));
        Seals::add(&fd, Seals::FUTURE_WRITE).unwrap_err();
        assert_eq!(close_seals(fd.as_fd()), Ok(Seals::SHRINK | Seals::SEAL));
    }

    #[test]
    fn what_cannot_be_mapped_read_write_is_refused() {
        let sealed = memory(Seals::SHRINK | Seals::FUTURE_WRITE);
        assert_eq!(
            close_seals(sealed.as_fd()),
            Err(NotRelayable::WriteSealed(Seals::SHRINK | Seals::FUTURE_WRITE))
        );
        let fd = memory(Seals::SHRINK);
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let read_only = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
        assert_eq!(close_seals(read_only.as_fd()), Err(NotRelayable::ReadOnly));
    }

    #[test]
    fn what_could_be_cut_off_is_refused_and_left_open() {
        let fd = memory(Seals::default());
        assert_eq!(close_seals(fd.as_fd()), Err(NotRelayable::Unsealed));
        assert_eq!(Seals::of(&fd).unwrap(), Seals::default());
        let pipe = rustix::pipe::pipe().unwrap().0;
        assert_eq!(close_seals(pipe.as_fd()), Err(NotRelayable::ReadOnly));
    }
}
