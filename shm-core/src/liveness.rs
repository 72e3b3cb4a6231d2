//! Learning that another process has ended, without asking again and again.
//!
//! Whoever shares memory with a process that is killed is told nothing: the memory stays, and nobody writes it any more. A
//! [`Watch`] is a thread that sleeps in `poll(2)` until the kernel says that the process has ended (`pidfd_open(2)`).
//!
//! A pid alone names a process badly: once that has ended, the next one may get the number. [`Process`] adds when the process
//! started, which tells the two apart, and is two plain numbers, so that it can be written into a shared page.
//! Both numbers mean the same to both processes only if these are in the same pid namespace (and time namespace, see
//! `time_namespaces(7)`): between two containers, pass a pidfd instead and use [`Watch::of_pidfd`].
//!
//! Linux 5.3 or newer is needed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// One process, told apart from others that have had or will have its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number, as seen in this pid namespace.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (field 22 of `proc_pid_stat(5)`).
    pub start_time: u64,
}

impl Process {
    /// This process.
    ///
    /// # Errors
    ///
    /// [`LivenessError::Start`] if there is no `/proc`.
    pub fn current() -> Result<Process, LivenessError> {
        let pid = std::process::id();
        let start_time = start_time(pid).map_err(|source| LivenessError::Start { pid, source })?;
        Ok(Process { pid, start_time })
    }

    /// The process that has this pid at the moment, or `None` if none has.
    ///
    /// # Errors
    ///
    /// [`LivenessError::NotAPid`], [`LivenessError::Open`], [`LivenessError::Start`].
    pub fn of(pid: u32) -> Result<Option<Process>, LivenessError> {
        Ok(Process::open_any(pid)?.map(|(process, _)| process))
    }

    /// A pidfd of it, or `None` if it has ended. One that has ended but was not waited for still has a pidfd, which is readable.
    ///
    /// # Errors
    ///
    /// [`LivenessError::NotAPid`], [`LivenessError::Open`], [`LivenessError::Start`].
    pub fn open(&self) -> Result<Option<OwnedFd>, LivenessError> {
        Ok(Process::open_any(self.pid)?.filter(|(process, _)| process == self).map(|(_, pidfd)| pidfd))
    }

    /// Whether it has not ended yet, as far as can be told at this moment.
    ///
    /// # Errors
    ///
    /// As [`Process::open`].
    pub fn is_alive(&self) -> Result<bool, LivenessError> {
        let pid = self.pid;
        let ended = |pidfd: &OwnedFd| has_ended(pidfd).map_err(|source| LivenessError::Poll { pid, source });
        self.open()?.map_or(Ok(false), |pidfd| ended(&pidfd).map(|ended| !ended))
    }

    /// The process that has this pid, and a pidfd of the very same.
    fn open_any(pid: u32) -> Result<Option<(Process, OwnedFd)>, LivenessError> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(LivenessError::NotAPid { pid })?;
        let pidfd = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(LivenessError::Open { pid, source: errno.into() }),
        };
        // The order matters: as long as the process has not been waited for, the number is its own. So what is read now is
        // the start of the process that the pidfd is of, or of a later one that the process's end made way for.
        let start_time = match start_time(pid) {
            Ok(start_time) => start_time,
            // Gone, or hidden from us (`hidepid` of proc(5)).
            Err(_) if matches!(has_ended(&pidfd), Ok(true)) => return Ok(None),
            Err(source) => return Err(LivenessError::Start { pid, source }),
        };
        Ok(Some((Process { pid, start_time }, pidfd)))
    }
}

/// Whether the process of a pidfd has ended.
fn has_ended(pidfd: &OwnedFd) -> io::Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&now)))? > 0)
}

/// Field 22 of `/proc/PID/stat`.
fn start_time(pid: u32) -> io::Result<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    parse_start_time(&stat)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it cannot be understood"))
}

/// The name, field 2, is in parentheses, and may hold spaces and parentheses itself, and bytes that are no text.
fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    // The first of these is field 3.
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// A thread that waits for a process to end.
///
/// Dropping it ends the thread, and waits for that: the closure is not running afterwards, and never will. (Where the
/// closure itself drops its watch there is nothing to wait for.)
#[derive(Debug)]
pub struct Watch {
    cancel: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Runs `on_death` once, on a thread of its own, when `process` ends; at once if it has ended already.
    ///
    /// # Errors
    ///
    /// As [`Process::open`], and [`LivenessError::Watch`].
    pub fn new(process: Process, on_death: impl FnOnce() + Send + 'static) -> Result<Watch, LivenessError> {
        Watch::start(process.open()?, on_death)
    }

    /// The same for the process that `pidfd` is of (`pidfd_open(2)`, or `SO_PEERPIDFD` of `unix(7)`). This works across
    /// pid namespaces.
    ///
    /// Nothing is asked of the fd: with one that is no pidfd, the closure runs whenever that becomes readable.
    ///
    /// # Errors
    ///
    /// [`LivenessError::Watch`].
    pub fn of_pidfd(
        pidfd: OwnedFd,
        on_death: impl FnOnce() + Send + 'static,
    ) -> Result<Watch, LivenessError> {
        Watch::start(Some(pidfd), on_death)
    }

    fn start(
        pidfd: Option<OwnedFd>,
        on_death: impl FnOnce() + Send + 'static,
    ) -> Result<Watch, LivenessError> {
        let watch = |source: io::Error| LivenessError::Watch { source };
        let cancel = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|errno| watch(errno.into()))?);
        let cancelled = Arc::clone(&cancel);
        let wait = move || {
            if wait(pidfd.as_ref().map(AsFd::as_fd), cancelled.as_fd()) {
                // An fd that nobody needs any more should not be open while the closure runs.
                drop((pidfd, cancelled));
                on_death();
            }
        };
        let thread = thread::Builder::new().name("selkie-watch".into()).spawn(wait).map_err(watch)?;
        Ok(Watch { cancel, thread: Some(thread) })
    }
}

/// Waits for the end of the process, or (`false`) of the interest in it; that comes first if both have come.
fn wait(pidfd: Option<BorrowedFd<'_>>, cancel: BorrowedFd<'_>) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let timeout = if pidfd.is_none() { Some(&at_once) } else { None };
    let mut fds = vec![PollFd::from_borrowed_fd(cancel, PollFlags::IN)];
    fds.extend(pidfd.map(|pidfd| PollFd::from_borrowed_fd(pidfd, PollFlags::IN)));
    match rustix::io::retry_on_intr(|| poll(&mut fds, timeout)) {
        Ok(_) => fds[0].revents().is_empty(),
        // ENOMEM is all that is left. To say that a living process is dead would be worse than to say nothing.
        Err(error) => {
            tracing::error!(%error, "cannot wait for the end of a process");
            false
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Adding 1 to 0 neither waits nor fails.
        if let Err(error) = rustix::io::write(&*self.cancel, &1_u64.to_ne_bytes()) {
            tracing::error!(%error, "cannot end a watch");
            return;
        }
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("what should be done at a process's end has panicked");
        }
    }
}

/// Why the end of a process cannot be learnt of.
#[derive(Debug, thiserror::Error)]
pub enum LivenessError {
    /// No process can have this number.
    #[error("{pid} is no process's number")]
    NotAPid {
        /// The number.
        pid: u32,
    },
    /// `pidfd_open` failed.
    #[error(
        "cannot open process {pid} to learn of its end (needs Linux 5.3, and a sandbox that allows pidfd_open)"
    )]
    Open {
        /// The process.
        pid: u32,
        /// What the kernel said: `EINVAL` if the number is a thread's, `ENOSYS` if the kernel is too old.
        source: io::Error,
    },
    /// `/proc/PID/stat` does not say when the process started.
    #[error(
        "cannot read from /proc/{pid}/stat when process {pid} started (is /proc mounted, without hidepid?)"
    )]
    Start {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// `poll` failed.
    #[error("cannot ask whether process {pid} has ended")]
    Poll {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no eventfd, or no thread, for the watch.
    #[error("cannot start a thread that waits for the end of a process")]
    Watch {
        /// What the kernel said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_field_22_whatever_the_name_is() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for name in ["(cat)", "(a b)", "(:) 1 2 3)", "(\u{fffd})"] {
            assert_eq!(parse_start_time(format!("1234 {name} {rest}\n").as_bytes()), Some(4711), "{name}");
        }
        assert_eq!(
            parse_start_time(b"1234 (\xff\xfe) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 7"),
            Some(7)
        );
        for bad in
            ["", "1234 (cat", "1234 (cat) S 1 2", "1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -1"]
        {
            assert_eq!(parse_start_time(bad.as_bytes()), None, "{bad}");
        }
    }
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod system_tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{RecvTimeoutError, TryRecvError, channel};
    use std::time::Duration;

    /// A process that lives until it is killed, or its input ends.
    fn sleeper() -> Child {
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn an_end_is_told_once() {
        let mut child = sleeper();
        let process = Process::of(child.id()).unwrap().unwrap();
        assert!(process.is_alive().unwrap());
        let (told, ends) = channel();
        let watch = Watch::new(process, move || told.send(()).unwrap()).unwrap();
        assert_eq!(ends.try_recv(), Err(TryRecvError::Empty));
        child.kill().unwrap();
        // Before it is waited for: nobody may be there to do that.
        ends.recv_timeout(LONG).unwrap();
        assert!(!process.is_alive().unwrap());
        // The closure is gone, and what it held.
        assert_eq!(ends.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
        child.wait().unwrap();
        assert!(!process.is_alive().unwrap());
        drop(watch);
    }

    #[test]
    fn an_end_of_long_ago_is_told_too() {
        let mut child = sleeper();
        let process = Process::of(child.id()).unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.open().unwrap().is_none());
        let (told, ends) = channel();
        let _watch = Watch::new(process, move || told.send(()).unwrap()).unwrap();
        ends.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn another_process_with_the_pid_is_not_the_one() {
        let own = Process::current().unwrap();
        assert_eq!(Process::of(own.pid).unwrap(), Some(own));
        let earlier = Process { start_time: own.start_time - 1, ..own };
        assert!(earlier.open().unwrap().is_none());
        let (told, ends) = channel();
        let _watch = Watch::new(earlier, move || told.send(()).unwrap()).unwrap();
        ends.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn nothing_is_told_once_nobody_watches() {
        for _ in 0..50 {
            let mut child = sleeper();
            let process = Process::of(child.id()).unwrap().unwrap();
            let (told, ends) = channel();
            let watch = Watch::new(process, move || told.send(()).unwrap()).unwrap();
            drop(watch);
            // The thread is gone, and the closure with it, unused.
            assert_eq!(ends.try_recv(), Err(TryRecvError::Disconnected));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_watch_may_be_dropped_by_its_own_closure() {
        let mut child = sleeper();
        let process = Process::of(child.id()).unwrap().unwrap();
        let (give, take) = channel::<Watch>();
        let (told, ends) = channel();
        let closure = move || {
            drop(take.recv().unwrap());
            told.send(()).unwrap();
        };
        give.send(Watch::new(process, closure).unwrap()).unwrap();
        child.kill().unwrap();
        ends.recv_timeout(LONG).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_pidfd_will_do() {
        let mut child = sleeper();
        let pidfd = Process::of(child.id()).unwrap().unwrap().open().unwrap().unwrap();
        let (told, ends) = channel();
        let _watch = Watch::of_pidfd(pidfd, move || told.send(()).unwrap()).unwrap();
        assert_eq!(ends.try_recv(), Err(TryRecvError::Empty));
        drop(child.stdin.take());
        ends.recv_timeout(LONG).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn numbers_that_are_no_pids_are_errors() {
        for pid in [0, u32::MAX, 1 << 31] {
            assert!(matches!(Process::of(pid), Err(LivenessError::NotAPid { .. })), "{pid}");
        }
        // Above any limit of the kernel, so nobody's.
        assert_eq!(Process::of(i32::MAX.unsigned_abs()).unwrap(), None);
    }
}
