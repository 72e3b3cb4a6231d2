//! Letting go of an fd that somebody else's process may hold up.
//!
//! `close(2)` of a file on FUSE asks its owner to flush it, and waits for the answer: a client that never gives one would
//! stop whoever closes its fd. So such an fd is closed on one of a few helper threads. The kernel frees the number
//! of an fd before it waits, so a stuck close costs a thread and no fd; when every thread is stuck, fds queue up, and
//! [`waiting`] says how many, for somebody to draw a line. A stuck thread comes free when the owner of the file dies.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// As many threads as may be stuck at a time.
const MAX_THREADS: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Helper threads that may get stuck, and what is left for them to do.
struct Helpers {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static HELPERS: Helpers =
    Helpers { state: Mutex::new(State { jobs: VecDeque::new(), threads: 0, idle: 0 }), work: Condvar::new() };

/// Closes `fd` on a helper thread; returns at once, whatever the file is.
pub fn close_elsewhere(fd: OwnedFd) {
    run_elsewhere(move || drop(fd));
}

/// How many closes (and other tasks that may stall) have not been begun because every helper thread is busy.
pub fn waiting() -> usize {
    HELPERS.lock().jobs.len()
}

/// Runs something that may never end on a helper thread.
pub(crate) fn run_elsewhere(job: impl FnOnce() + Send + 'static) {
    let mut state = HELPERS.lock();
    state.jobs.push_back(Box::new(job));
    if state.jobs.len() <= state.idle {
        HELPERS.work.notify_one();
    } else if state.threads < MAX_THREADS {
        // No stack to speak of is needed. If no thread can be had, the job waits for one of the others, or for the next call.
        let spawned = thread::Builder::new().name("selkie-closer".into()).stack_size(64 << 10).spawn(serve);
        match spawned {
            Ok(_) => state.threads += 1,
            Err(error) => tracing::warn!(%error, "cannot start a thread to close a file on"),
        }
    }
}

/// A helper thread: does one job after the other, for ever.
fn serve() {
    let mut state = HELPERS.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            drop(state);
            job();
            state = HELPERS.lock();
        } else {
            state.idle += 1;
            state = HELPERS.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl Helpers {
    /// No job runs while the lock is held, so a poisoned state is a sound one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
