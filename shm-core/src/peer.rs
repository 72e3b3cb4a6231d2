//! Getting at a file that another process has open, by that process's id and the number of the fd, without its help.
//!
//! There are two ways. Opening `/proc/PID/fd/N` opens the file **anew**: with an access mode and an offset of its own, after a look at
//! the file's mode; so a read-only fd of somebody else may become a writable one here. It takes a file that can be opened, which a
//! memfd is, and a dma-buf, a socket or a pipe is not. `pidfd_getfd(2)` gives **the same** open file that the other has, as
//! `SCM_RIGHTS` would, whatever it is.
//!
//! Either is allowed to who may trace the other process (`ptrace(2)`, "Ptrace access mode checking"): of the same user, and not
//! one that changed its ids or is protected otherwise (`PR_SET_DUMPABLE`); or anybody with `CAP_SYS_PTRACE`. Where Yama is strict
//! (`/proc/sys/kernel/yama/ptrace_scope`) `pidfd_getfd` is for parents only, unless the other has named us by
//! [`allow_tracer`]. For `/proc` Yama makes no difference.
//!
//! A socket ([`crate::fdpass`]) needs none of that, and nobody can be surprised: prefer it between programs that know each other.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::str::FromStr;

use rustix::fs::{CWD, FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::verdict::{self, Kind};

/// An fd of a process, as `/proc/PID/fd/N`.
///
/// The number may mean another file, and the process id another process, by the time they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerFd {
    /// The process, as it is called in our pid namespace.
    pub pid: i32,
    /// The number of its fd.
    pub fd: RawFd,
}

impl PeerFd {
    /// What another process calls an fd of ours, as long as it is open.
    pub fn ours(fd: impl AsFd) -> PeerFd {
        PeerFd { pid: rustix::process::getpid().as_raw_nonzero().get(), fd: fd.as_fd().as_raw_fd() }
    }

    /// Opens the file anew to read and write, through `/proc`.
    ///
    /// Never waits for another process: what is not known to be local memory or a local file is not opened.
    ///
    /// # Errors
    ///
    /// [`PeerError`].
    pub fn open(self) -> Result<OwnedFd, PeerError> {
        self.reopen(OFlags::RDWR)
    }

    /// As [`PeerFd::open`], to read only.
    ///
    /// # Errors
    ///
    /// As [`PeerFd::open`].
    pub fn open_read_only(self) -> Result<OwnedFd, PeerError> {
        self.reopen(OFlags::RDONLY)
    }

    fn reopen(self, access: OFlags) -> Result<OwnedFd, PeerError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        // Takes hold of the file, which the number may leave at any time, without opening it.
        let held = openat(CWD, self.to_string(), flags, Mode::empty()).map_err(|error| self.lookup(error))?;
        self.check(held.as_fd())?;
        let again = format!("/proc/thread-self/fd/{}", held.as_raw_fd());
        let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY;
        openat(CWD, again, flags, Mode::empty()).map_err(|error| match error {
            Errno::ACCESS | Errno::PERM => PeerError::Mode { peer: self, source: error.into() },
            _ => PeerError::Open { peer: self, source: error.into() },
        })
    }

    /// Whether it is a regular file that can be opened without waiting for anybody.
    fn check(self, held: BorrowedFd<'_>) -> Result<(), PeerError> {
        let refused = |kind| Err(PeerError::NotFile { peer: self, kind });
        if let Err(kind) = verdict::openable(held) {
            return refused(kind);
        }
        let stat = rustix::fs::fstat(held).map_err(|e| PeerError::Open { peer: self, source: e.into() })?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            FileType::Directory => refused(Kind::Directory),
            FileType::CharacterDevice => refused(Kind::CharDevice),
            FileType::BlockDevice => refused(Kind::BlockDevice),
            FileType::Fifo => refused(Kind::Pipe),
            FileType::Socket => refused(Kind::Socket),
            _ => refused(Kind::Other),
        }
    }

    /// Takes the same open file, by `pidfd_open(2)` and `pidfd_getfd(2)` (Linux 5.6).
    ///
    /// What comes may be any file, of anybody's making: ask for its [`verdict`] before
    /// anything else, or whether it is a [dma-buf](crate::dmabuf::DmaBuf::new).
    ///
    /// # Errors
    ///
    /// [`PeerError`].
    pub fn take(self) -> Result<OwnedFd, PeerError> {
        // `from_raw` panics at what is negative.
        let pid = Some(self.pid).filter(|pid| *pid > 0).and_then(Pid::from_raw);
        let no_process = |errno: Errno| PeerError::NoProcess { pid: self.pid, source: errno.into() };
        let pid = pid.ok_or_else(|| no_process(Errno::SRCH))?;
        let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| match error {
            // The id of a thread: EINVAL, later ENOENT.
            Errno::SRCH | Errno::INVAL | Errno::NOENT => no_process(error),
            _ => PeerError::Take { peer: self, source: error.into() },
        })?;
        pidfd_getfd(process, self.fd, PidfdGetfdFlags::empty()).map_err(|error| match error {
            Errno::SRCH => no_process(error),
            Errno::BADF => PeerError::NoFd { peer: self, source: error.into() },
            Errno::PERM => PeerError::Forbidden { peer: self, source: error.into() },
            _ => PeerError::Take { peer: self, source: error.into() },
        })
    }

    /// What went wrong in finding `/proc/PID/fd/N`.
    fn lookup(self, error: Errno) -> PeerError {
        let source = io::Error::from(error);
        match error {
            Errno::NOENT if !Path::new(&format!("/proc/{}", self.pid)).exists() => {
                PeerError::NoProcess { pid: self.pid, source }
            }
            Errno::SRCH => PeerError::NoProcess { pid: self.pid, source },
            Errno::NOENT => PeerError::NoFd { peer: self, source },
            Errno::ACCESS | Errno::PERM => PeerError::Forbidden { peer: self, source },
            _ => PeerError::Open { peer: self, source },
        }
    }
}

impl fmt::Display for PeerFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("/proc/{}/fd/{}", self.pid, self.fd))
    }
}

impl FromStr for PeerFd {
    type Err = PeerError;

    /// `/proc/PID/fd/N`, with two decimal numbers.
    fn from_str(text: &str) -> Result<PeerFd, PeerError> {
        let number = |digits: &str| {
            let only = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            only.then(|| digits.parse::<i32>().ok()).flatten()
        };
        let parse = || {
            let (pid, fd) = text.strip_prefix("/proc/")?.split_once("/fd/")?;
            Some(PeerFd { pid: number(pid).filter(|pid| *pid > 0)?, fd: number(fd)? })
        };
        parse().ok_or_else(|| PeerError::Text { text: text.to_owned() })
    }
}

/// Who may trace this process, and so take its fds, where Yama would allow only its parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracer {
    /// This process, and its children.
    Process(i32),
    /// Any process of the same user.
    Any,
    /// Parents only again.
    Nobody,
}

/// Names who may trace this process (`PR_SET_PTRACER`). Says whether there is a Yama to tell it to; where there is none, nothing
/// needs to be done.
///
/// # Errors
///
/// That of `prctl(2)`, but for `EINVAL`.
pub fn allow_tracer(tracer: Tracer) -> io::Result<bool> {
    let who = match tracer {
        Tracer::Process(pid) => {
            libc::c_ulong::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(io::ErrorKind::InvalidInput)?
        }
        Tracer::Any => libc::PR_SET_PTRACER_ANY,
        Tracer::Nobody => 0,
    };
    // SAFETY: prctl(2) with this option reads nothing but its arguments.
    if unsafe { libc::prctl(libc::PR_SET_PTRACER, who, 0, 0, 0) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        error => Err(error),
    }
}

/// Why the file of another process could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The text names no fd.
    #[error("`{text}` names no fd of a process: write /proc/PID/fd/N")]
    Text {
        /// The text.
        text: String,
    },
    /// There is no such process.
    #[error("there is no process {pid}: it has ended, or is in another pid namespace")]
    NoProcess {
        /// Its id.
        pid: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// It has no such fd.
    #[error("process {} has no fd {}: it has closed it", .peer.pid, .peer.fd)]
    NoFd {
        /// The process and the number.
        peer: PeerFd,
        /// What the kernel said.
        source: io::Error,
    },
    /// One must be allowed to trace it.
    #[error(
        "the fds of process {} are only for those who may trace it: be of the same user or have CAP_SYS_PTRACE; where \
         /proc/sys/kernel/yama/ptrace_scope is 1, let it name you (PR_SET_PTRACER), or have it pass the fd over a socket",
        .peer.pid
    )]
    Forbidden {
        /// The process and the number.
        peer: PeerFd,
        /// What the kernel said.
        source: io::Error,
    },
    /// Its mode does not let us open it so.
    #[error(
        "the mode of the file behind {peer} does not let this user open it so: open it to read only, or take the other's (pidfd_getfd)"
    )]
    Mode {
        /// The process and the number.
        peer: PeerFd,
        /// What the kernel said.
        source: io::Error,
    },
    /// It cannot be opened a second time, or not without waiting.
    #[error(
        "behind {peer} is a {kind}, which cannot be opened anew: take the other's (pidfd_getfd), or have it passed over a socket"
    )]
    NotFile {
        /// The process and the number.
        peer: PeerFd,
        /// What it is.
        kind: Kind,
    },
    /// Opening failed in another way.
    #[error("cannot open {peer}")]
    Open {
        /// The process and the number.
        peer: PeerFd,
        /// What the kernel said.
        source: io::Error,
    },
    /// Taking failed in another way.
    #[error("cannot take {peer} (pidfd_getfd)")]
    Take {
        /// The process and the number.
        peer: PeerFd,
        /// What the kernel said: `EMFILE`; `ENOSYS` before Linux 5.6, or in a sandbox.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let peer = PeerFd { pid: 4711, fd: 0 };
        assert_eq!(peer.to_string(), "/proc/4711/fd/0");
        assert_eq!("/proc/4711/fd/0".parse::<PeerFd>().unwrap(), peer);
        for text in [
            "",
            "/proc/self/fd/3",
            "/proc/0/fd/3",
            "/proc/-1/fd/3",
            "/proc/1/fd/+3",
            "/proc/1/fd/",
            "/proc/1/fd/3/",
            "/proc/1/fd/../4",
            "/proc/4294967297/fd/1",
            "1/fd/3",
        ] {
            assert!(matches!(text.parse::<PeerFd>(), Err(PeerError::Text { .. })), "{text}");
        }
    }
}
