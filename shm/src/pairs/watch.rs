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
        let (mut opened, mut read) = (false, false);
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
                        if events.contains(ReadFlags::OPEN) {
                            opened = true;
                        } else if events.contains(ReadFlags::ACCESS) {
                            read = opened;
                        } else if read {
                            return Ok(Woken::Ready);
                        } else {
                            opened = false;
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
