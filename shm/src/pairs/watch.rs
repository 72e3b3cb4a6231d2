//! Learning that somebody else has opened a file of ours, and is done with it.
//!
//! System V counts who has a segment attached. For files there is inotify(7): it tells of every opening, of every read(2), and of a
//! closing when the last fd *and the last mapping* of what was opened are gone. It works on files in `/dev/shm`, and on a memfd
//! through `/proc/self/fd`. It tells nothing of who got the very fd that we have (by `SCM_RIGHTS` or pidfd_getfd(2)): nothing
//! is opened then. What is done in a mapping it does not tell either; so the readers here read(2) a byte as well, and are told from those who
//! open whatever there is, to ask about it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::wait::{WaitError, Waiter, Woken};
use crate::trace::{SayError, Trace, fd, flags, number};

/// What one is told of.
const EVENTS: WatchFlags = WatchFlags::OPEN
    .union(WatchFlags::ACCESS)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CLOSE_NOWRITE);

/// Watches one file.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    /// From now on, of the file behind this fd.
    pub(crate) fn new(file: BorrowedFd<'_>, trace: &mut Trace) -> Result<Watch, WatchError> {
        let kind = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        let fail = |source: Errno| WatchError::Watch { source: source.into() };
        let inotify = trace
            .call(format_args!("inotify_init1({})", flags("IN_", kind)), fd, || inotify::init(kind))
            .map_err(fail)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (number_, events) = (inotify.as_raw_fd(), EVENTS);
        trace
            .call(
                format_args!("inotify_add_watch({number_}, {path:?}, {})", flags("IN_", events)),
                number,
                || inotify::add_watch(&inotify, &path, events),
            )
            .map_err(fail)?;
        Ok(Watch { inotify })
    }

    /// Waits until somebody who has opened and read it is done with it, and says how that ended.
    pub(crate) fn wait(&self, waiter: &mut Waiter, trace: &mut Trace) -> Result<Woken, WatchError> {
        let woken = self.wait_for_reader(waiter, trace)?;
        match woken {
            Woken::Ready => trace.say(format_args!("somebody has read it, and is done with it"))?,
            _ => woken.tell(trace)?,
        }
        Ok(woken)
    }

    fn wait_for_reader(&self, waiter: &mut Waiter, trace: &mut Trace) -> Result<Woken, WatchError> {
        // Who opened, read or closed it is not told, and what happens twice at once may be told once. With others about, who only
        // ask (`selkie shm ls`), a closing cannot be put down to a reader: so the first one after a reading is taken for the reader's.
        // That may be too early, which harms no reader, since it has the memory; but it comes for sure.
        let mut read = false;
        loop {
            let woken = waiter.readable(self.inotify.as_fd())?;
            if woken != Woken::Ready {
                return Ok(woken);
            }
            let told = trace.call(
                format_args!("read({}, buf, 1024)", self.inotify.as_raw_fd()),
                |told: &Vec<ReadFlags>| {
                    told.iter().map(|events| flags("IN_", *events)).collect::<Vec<_>>().join(", ")
                },
                || self.read(),
            );
            match told {
                Ok(told) => {
                    for events in told {
                        if events.contains(ReadFlags::ACCESS) {
                            read = true;
                        } else if read && !events.contains(ReadFlags::OPEN) {
                            return Ok(Woken::Ready);
                        }
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(WatchError::Watch { source: error.into() }),
            }
        }
    }

    /// What has happened, by one read(2).
    fn read(&self) -> Result<Vec<ReadFlags>, Errno> {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut told = vec![reader.next()?.events()];
        while !reader.is_buffer_empty() {
            told.push(reader.next()?.events());
        }
        Ok(told)
    }
}

/// Reads a byte with read(2), so that whoever watches notices.
pub(crate) fn notice(file: BorrowedFd<'_>, trace: &mut Trace) -> Result<(), WatchError> {
    let mut byte = [0];
    trace
        .call(format_args!("pread64({}, buf, 1, 0)", file.as_raw_fd()), number, || {
            rustix::io::pread(file, &mut byte, 0)
        })
        .map(drop)
        .map_err(|source| WatchError::Watch { source: source.into() })
}

/// It cannot be learned.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no inotify, or no more of it.
    #[error("cannot watch for somebody who opens the memory (inotify)")]
    Watch {
        /// What the kernel said: `EMFILE`, `ENOSPC` (`/proc/sys/fs/inotify/` has the limits).
        source: io::Error,
    },
    /// It cannot be waited.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// Nothing can be said.
    #[error(transparent)]
    Say(#[from] SayError),
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use rustix::fs::MemfdFlags;

    use super::*;
    use crate::pairs::Patience;

    /// What a wait of at most so many milliseconds comes to, once all of this has happened.
    fn told(most: u64, happens: impl FnOnce(&dyn Fn() -> File)) -> Woken {
        let memfd = rustix::fs::memfd_create("watched", MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&memfd, 4096).unwrap();
        let mut trace = Trace::new(io::sink(), false);
        let mut waiter = Waiter::new(Patience { time: Some(Duration::from_millis(most)) }).unwrap();
        let watch = Watch::new(memfd.as_fd(), &mut trace).unwrap();
        happens(&|| File::open(format!("/proc/self/fd/{}", memfd.as_raw_fd())).unwrap());
        watch.wait(&mut waiter, &mut trace).unwrap()
    }

    fn read(file: &File) {
        file.read_exact_at(&mut [0], 0).unwrap();
    }

    #[test]
    fn a_reader_is_noticed() {
        assert_eq!(told(60_000, |open| read(&open())), Woken::Ready);
    }

    #[test]
    fn who_only_asks_is_no_reader() {
        assert_eq!(told(20, |open| drop((open(), open()))), Woken::Time);
    }

    #[test]
    fn a_reader_is_noticed_among_those_who_only_ask() {
        let happens = |open: &dyn Fn() -> File| {
            let (asks, reads) = (open(), open());
            drop(asks);
            read(&reads);
        };
        assert_eq!(told(60_000, happens), Woken::Ready);
    }

    #[test]
    fn a_reader_that_is_not_done_yet_is_waited_for() {
        let kept = std::cell::Cell::new(None);
        let happens = |open: &dyn Fn() -> File| {
            let reads = open();
            read(&reads);
            kept.set(Some(reads));
        };
        assert_eq!(told(20, happens), Woken::Time);
    }
}
