//! What `/proc` and the resource limits say about this process and its peers.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};

/// Raises the limit of open fds (`RLIMIT_NOFILE`) to its hard limit, and returns what it is then; `u64::MAX`: none.
///
/// A compositor keeps an fd per pool, and the usual soft limit of 1024 is there for the sake of `select(2)`. Programs that
/// it starts inherit the raised limit unless they are given another, see `getrlimit(2)`.
///
/// # Errors
///
/// That of `setrlimit`.
pub fn raise_fd_limit() -> io::Result<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        rustix::process::setrlimit(
            Resource::Nofile,
            Rlimit { current: limit.maximum, maximum: limit.maximum },
        )?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The name of the program that process `pid` runs: that of its executable file, or, where that may not be read, the
/// process's name (15 bytes at most). `None` if there is no such process, or it may not be looked at.
///
/// The file comes first because a process can give itself any name; but neither is a proof of anything, and
/// a `pid` may have passed on to another process (`proc_pid_exe(5)`, `proc_pid_comm(5)`).
pub fn program_name(pid: i32) -> Option<String> {
    let process = Path::new("/proc").join(u32::try_from(pid).ok().filter(|pid| *pid != 0)?.to_string());
    if let Ok(executable) = fs::read_link(process.join("exe")) {
        let name = executable.file_name().map(OsStr::to_string_lossy)?;
        return Some(name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned());
    }
    let name = fs::read(process.join("comm")).ok()?;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

/// What the scheduler has given a thread so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// How long it ran.
    pub ran: Duration,
    /// How long it could have run, and waited for a processor.
    pub waited: Duration,
}

/// Says so of the thread that `task` is the directory of (`/proc/PID/task/TID`, proc(5)): the first two numbers of its
/// `schedstat` (Documentation/scheduler/sched-stats.rst). `None` if it is gone, or the kernel does not count it.
pub fn scheduled(task: &Path) -> Option<Scheduled> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    let mut times = text.split_whitespace().map(|word| word.parse().map(Duration::from_nanos));
    Some(Scheduled { ran: times.next()?.ok()?, waited: times.next()?.ok()? })
}

/// Makes the kernel kill the program that `command` starts when the thread that starts it ends, however that ends
/// (`PR_SET_PDEATHSIG`, prctl(2)). A program that changes its credentials is let off.
pub fn die_with_parent(command: &mut Command) {
    let set = || {
        let signal = libc::c_ulong::from(libc::SIGKILL.unsigned_abs());
        // SAFETY: prctl(2) with this option reads nothing but its arguments.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: runs between fork and exec, where only what is safe in a signal handler may be called: prctl(2) is, and
    // nothing is allocated or locked.
    unsafe { command.pre_exec(set) };
}

/// How many fds this process has open.
///
/// # Errors
///
/// That of reading `/proc/self/fd`, if there is no `/proc`.
pub fn open_fds() -> io::Result<usize> {
    // Since Linux 6.2 the size of the directory is the number of its entries; before, it is 0.
    let size = fs::metadata("/proc/self/fd")?.len();
    if size > 0 {
        return usize::try_from(size).map_err(io::Error::other);
    }
    // One entry is the fd that the listing itself uses.
    Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1))
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;

    #[test]
    fn names_programs() {
        let own = i32::try_from(std::process::id()).unwrap();
        let executable = std::env::current_exe().unwrap();
        assert_eq!(program_name(own).as_deref(), executable.file_name().and_then(OsStr::to_str));
        assert_eq!(program_name(0), None);
        assert_eq!(program_name(-1), None);
        assert_eq!(program_name(i32::MAX), None);
    }

    #[test]
    fn what_is_to_die_with_its_parent_does() {
        let mut command = Command::new("sleep");
        command.arg("infinity");
        die_with_parent(&mut command);
        // The thread is the parent.
        let mut child = std::thread::spawn(move || command.spawn().unwrap()).join().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    }

    #[test]
    fn raises_the_limit_to_the_hard_one() {
        let raised = raise_fd_limit().unwrap();
        let limit = rustix::process::getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raised, limit.maximum.unwrap_or(u64::MAX));
    }
}
