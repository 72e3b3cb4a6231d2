//! The program that is audited: a process group of its own, which is ended as a whole.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process_group};

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {program:?}: is it installed, and spelled right?")]
pub struct SpawnError {
    program: OsString,
    source: io::Error,
}

/// The program, and all that it starts. What is left of it is killed when this goes.
pub(crate) struct Program {
    child: Child,
    status: Option<ExitStatus>,
    /// Nobody of its group is left, so that the group's number may be given to others.
    gone: bool,
}

impl Program {
    /// Starts it, so that it finds the proxy.
    pub fn spawn(
        command: &[OsString],
        display: &Path,
        runtime: &Path,
        private: bool,
    ) -> Result<Self, SpawnError> {
        let (program, args) = match command.split_first() {
            Some((program, args)) => (program.clone(), args),
            None => (OsString::new(), command),
        };
        let spawn = || -> io::Result<Child> {
            let mut command = Command::new(&program);
            command.args(args).env("WAYLAND_DISPLAY", display).env("XDG_RUNTIME_DIR", runtime);
            command.env_remove("WAYLAND_SOCKET");
            if private {
                // It is not to end up in another session that may be there.
                command.env_remove("DISPLAY").env("XDG_SESSION_TYPE", "wayland");
            }
            // In a group of its own it would be stopped if it read from the terminal. Standard output is for the report.
            let stdin = io::stdin();
            command.stdin(if stdin.is_terminal() { Stdio::null() } else { Stdio::inherit() });
            command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
            command.process_group(0).spawn()
        };
        let child = spawn().map_err(|source| SpawnError { program: program.clone(), source })?;
        Ok(Self { child, status: None, gone: false })
    }

    /// Becomes readable when it has ended.
    pub fn pidfd(&self) -> io::Result<OwnedFd> {
        Ok(pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap_or_default();
        }
        self.status
    }

    /// Whether it has ended, and all that it has started and left in its group.
    pub fn all_ended(&mut self) -> bool {
        let ended = self.ended().is_some();
        self.gone = self.gone || (ended && test_kill_process_group(Pid::from_child(&self.child)).is_err());
        self.gone
    }

    /// Sends a signal to it and all in its group.
    pub fn signal(&mut self, signal: Signal) {
        if !self.all_ended() {
            // The last of them may just have gone.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if self.status.is_none() {
            let _ = self.child.wait();
        }
    }
}

/// A status, for people.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
