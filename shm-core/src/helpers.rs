//! Threads for system calls that may never return, so that the caller goes on.
//!
//! Which ones those are is up to whoever sent us the fd. What is known of (each shown by a test):
//!
//! - `close` of a file on FUSE waits for its owner. Not even SIGKILL ends that, and the process as a whole cannot exit before;
//!   all one can choose is which thread waits.
//! - `F_ADD_SEALS` takes the lock of the inode. A client holds that for as long as it likes by writing to its memfd from memory
//!   that it has mapped from a FUSE file of its own and never provides.
//! - `/proc/self/fdinfo` of an open device asks its driver, which may take a lock of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Up to `max` threads, started when needed and never ended, and what is left for them to do.
pub(crate) struct Helpers {
    name: &'static str,
    max: usize,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

/// How long to wait for an answer that normally takes some microseconds, while no helper is busy.
const PATIENCE: Duration = Duration::from_millis(100);
/// And at least. Every stuck helper halves the patience, so that a hostile client cannot go on taking it.
const LEAST_PATIENCE: Duration = Duration::from_millis(20);

/// So many times more a helper is waited for that has had no processor.
const TURNS: u32 = 20;
/// Stands for the number of a thread where a job has no thread yet.
const NOT_BEGUN: i32 = 0;

/// Whether a thread of ours could run, or has not even begun; a stuck one sleeps in a system call.
fn is_runnable(thread: i32) -> bool {
    if thread == NOT_BEGUN {
        return true;
    }
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    // proc_pid_stat(5): the state follows the name, which is in parentheses and may hold some itself.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
}

impl Helpers {
    pub(crate) const fn new(name: &'static str, max: usize) -> Helpers {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0 };
        Helpers { name, max, state: Mutex::new(state), work: Condvar::new() }
    }

    /// Has `job` done as soon as a thread is free, and returns at once.
    pub(crate) fn run(&'static self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        self.submit(&mut state, Box::new(job));
    }

    /// Waits for the answer of `job`, but not for long; `None` if it did not come, or no thread was left to ask.
    pub(crate) fn ask<T: Send + 'static>(
        &'static self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        let asked = Arc::new(AtomicI32::new(NOT_BEGUN));
        let helper = Arc::clone(&asked);
        let mut state = self.lock();
        let busy = state.threads - state.idle;
        if busy >= self.max {
            return None;
        }
        self.submit(
            &mut state,
            Box::new(move || {
                helper.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
                // If nobody waits any more, nobody wants it.
                let _ = answer.send(job());
            }),
        );
        drop(state);
        let patience = PATIENCE.checked_div(1 << busy.min(8)).unwrap_or(LEAST_PATIENCE).max(LEAST_PATIENCE);
        let mut turns = TURNS;
        loop {
            match answered.recv_timeout(patience) {
                Ok(answer) => return Some(answer),
                // A helper that waits for a processor, on a machine that has too much to do, is not stuck.
                Err(RecvTimeoutError::Timeout) if turns > 0 && is_runnable(asked.load(Ordering::Relaxed)) => {
                    turns -= 1;
                }
                Err(_) => return None,
            }
        }
    }

    /// How many jobs no thread has begun.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    fn submit(&'static self, state: &mut State, job: Job) {
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            self.work.notify_one();
        } else if state.threads < self.max {
            // No stack to speak of is needed. Without a thread the job waits for one of the others, or the next call.
            match thread::Builder::new().name(self.name.into()).stack_size(64 << 10).spawn(|| self.serve()) {
                Ok(_) => state.threads += 1,
                Err(error) => tracing::warn!(%error, name = self.name, "cannot start a helper thread"),
            }
        }
    }

    /// What a thread does: one job after the other, for ever.
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    /// No job runs while the lock is held, so a poisoned state is a sound one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_stuck_job_holds_up_nobody_and_answers_stop_when_all_are_stuck() {
        static HELPERS: Helpers = Helpers::new("test", 3);
        let (release, stuck) = channel::<()>();
        assert_eq!(HELPERS.ask(|| 1), Some(1));
        assert_eq!(HELPERS.ask(move || stuck.recv()), None);
        assert_eq!(HELPERS.ask(|| 2), Some(2));
        let (_keep, second) = channel::<()>();
        let (_keep_too, third) = channel::<()>();
        assert_eq!(HELPERS.ask(move || second.recv()), None);
        assert_eq!(HELPERS.ask(move || third.recv()), None);
        assert_eq!(HELPERS.ask(|| 3), None);
        assert_eq!(HELPERS.waiting(), 0);
        let (done, finished) = channel();
        HELPERS.run(move || done.send(()).unwrap());
        assert_eq!(HELPERS.waiting(), 1);
        drop(release);
        finished.recv().unwrap();
    }
}
