//! Waiting for the other terminal: until it has been there, somebody presses Enter, a signal says that it is enough, or the time is
//! over; so that in each of these cases what was made is removed again.
//!
//! The signals are blocked and read from a file (signalfd(2), by calloop), so nothing is interrupted half-way: what is being made is
//! made, and then removed. `SIGXFSZ` is among them because a file that would be larger than `RLIMIT_FSIZE` is to be an error
//! (`EFBIG`), and not our end.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::signals::{Signal, Signals};
use calloop::{EventLoop, Interest, Mode, PostAction};
use procfs::process::Process;
use rustix::io::Errno;

use super::Patience;
use crate::trace::{SayError, Trace};

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What was waited for may be there.
    Ready,
    /// Somebody pressed Enter.
    Enter,
    /// A signal came.
    Signal(&'static str),
    /// The time is over.
    Time,
}

impl Woken {
    /// Says why nobody is waited for any more.
    pub(crate) fn tell(self, trace: &mut Trace) -> Result<(), SayError> {
        match self {
            Woken::Ready => Ok(()),
            Woken::Enter => trace.say(format_args!("nobody was waited for any longer (Enter)")),
            Woken::Signal(name) => trace.say(format_args!("nobody was waited for any longer ({name})")),
            Woken::Time => trace.say(format_args!("nobody came in time")),
        }
    }
}

#[derive(Default)]
struct State {
    stop: Option<Woken>,
    ready: bool,
}

/// Waits, and knows when to stop. Make one before anything that has to be removed again: from then on signals do not end the
/// process, but the wait.
#[derive(Debug)]
pub struct Waiter {
    events: EventLoop<'static, State>,
    state: State,
    end: Option<Instant>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Waiter {
    /// Takes SIGINT, SIGTERM, SIGHUP and SIGXFSZ from now on, and listens for Enter.
    ///
    /// # Errors
    ///
    /// [`WaitError`].
    pub fn new(patience: Patience) -> Result<Waiter, WaitError> {
        let events: EventLoop<'static, State> = EventLoop::try_new().map_err(set_up)?;
        let signals = Signals::new(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGXFSZ]);
        let taken = events.handle().insert_source(signals.map_err(set_up)?, |event, (), state| {
            state.stop = match event.signal() {
                Signal::SIGINT => Some(Woken::Signal("SIGINT")),
                Signal::SIGTERM => Some(Woken::Signal("SIGTERM")),
                Signal::SIGHUP => Some(Woken::Signal("SIGHUP")),
                _ => state.stop,
            };
        });
        taken.map_err(|error| set_up(error.error))?;
        if listens_to_us() {
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(|source| WaitError { source })?;
            let stdin = Generic::new(stdin, Interest::READ, Mode::Level);
            let heard = events.handle().insert_source(stdin, |_, stdin, state: &mut State| {
                let mut typed = [0; 512];
                Ok(match rustix::io::read(&**stdin, &mut typed) {
                    Ok(count) if typed[..count].contains(&b'\n') => {
                        state.stop = Some(Woken::Enter);
                        PostAction::Remove
                    }
                    Ok(1..) | Err(Errno::INTR | Errno::AGAIN) => PostAction::Continue,
                    // The end of a pipe is not somebody who presses Enter.
                    Ok(0) | Err(_) => PostAction::Remove,
                })
            });
            // A file, or /dev/null, which no one can wait for; there are the signals.
            drop(heard);
        }
        let end = patience.time.and_then(|time| Instant::now().checked_add(time));
        Ok(Waiter { events, state: State::default(), end })
    }

    /// Waits until `fd` can be read.
    pub(crate) fn readable(&mut self, fd: BorrowedFd<'_>) -> Result<Woken, WaitError> {
        let fd = fd.try_clone_to_owned().map_err(|source| WaitError { source })?;
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        self.state.ready = false;
        let token = self.events.handle().insert_source(source, |_, _, state: &mut State| {
            state.ready = true;
            Ok(PostAction::Continue)
        });
        let token = token.map_err(|error| set_up(error.error))?;
        let woken = self.until(|state| state.ready.then_some(()).ok_or(None));
        self.events.handle().remove(token);
        woken
    }

    /// Waits until `probe` says so, asking it again and again: for what the kernel tells nobody by itself.
    pub(crate) fn asking<E: From<WaitError>>(
        &mut self,
        mut probe: impl FnMut() -> Result<bool, E>,
    ) -> Result<Woken, E> {
        const EVERY: Duration = Duration::from_millis(50);
        let mut failed = None;
        let woken = self.until(|_| match probe() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Some(EVERY)),
            Err(error) => {
                failed = Some(error);
                Ok(())
            }
        })?;
        failed.map_or(Ok(woken), Err)
    }

    /// Waits until `done`, which may want to be asked again after some time.
    fn until(
        &mut self,
        mut done: impl FnMut(&State) -> Result<(), Option<Duration>>,
    ) -> Result<Woken, WaitError> {
        loop {
            if let Some(stop) = self.state.stop {
                return Ok(stop);
            }
            let again = match done(&self.state) {
                Ok(()) => return Ok(Woken::Ready),
                Err(again) => again,
            };
            let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Woken::Time);
            }
            let timeout = [left, again].into_iter().flatten().min();
            self.events.dispatch(timeout, &mut self.state).map_err(set_up)?;
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // Signals that came since would end the process as soon as they are not blocked any more, before it could say how it ended.
        let _ = self.events.dispatch(Some(Duration::ZERO), &mut self.state);
    }
}

/// Whether what is typed is for us: not if the terminal belongs to another job, and reading from it would stop us.
fn listens_to_us() -> bool {
    let stat = || Process::myself().and_then(|process| process.stat()).ok();
    !io::stdin().is_terminal() || stat().is_some_and(|stat| stat.tpgid == stat.pgrp)
}

fn set_up(error: calloop::Error) -> WaitError {
    match error {
        calloop::Error::IoError(source) => WaitError { source },
        other => WaitError { source: io::Error::other(other) },
    }
}

/// It cannot be waited.
#[derive(Debug, thiserror::Error)]
#[error("cannot wait for the other side")]
pub struct WaitError {
    /// What the kernel said.
    pub source: io::Error,
}
