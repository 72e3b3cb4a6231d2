//! Waiting for a word in shared memory to change, and waking whoever waits: `futex(2)`, across processes.
//!
//! The kernel finds the waiters of a word by the page that it is in. It can do that for System V segments, for files in
//! memory (POSIX shared memory, memfds) and for files on disk. Memory that a driver maps page by page without handing it to the
//! kernel's accounting, which a dma-buf's usually is, gives `EFAULT`: [`works`] asks.

use std::io;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{Flags, Timespec};

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Somebody woke it, or the word was another already, or for no reason (a signal): look again.
    LookAgain,
    /// The time is up.
    TimedOut,
}

/// Sleeps as long as `word` is `expected`, until somebody calls [`wake`], or for `timeout` at most.
///
/// That the word is still the expected one is looked up by the kernel, under the lock that [`wake`] takes too: a wake that comes
/// after a change of the word is not lost.
///
/// # Errors
///
/// `EFAULT` if the page has vanished, or the kernel cannot wait in memory of this kind.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> io::Result<Woken> {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match rustix::thread::futex::wait(word, Flags::empty(), expected, timeout.as_ref()) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Ok(Woken::LookAgain),
        Err(Errno::TIMEDOUT) => Ok(Woken::TimedOut),
        Err(errno) => Err(errno.into()),
    }
}

/// Wakes everybody who waits for `word`, in any process that has it mapped; says how many that were.
///
/// # Errors
///
/// As [`wait`].
pub fn wake(word: &AtomicU32) -> io::Result<usize> {
    // The kernel takes this as a signed number.
    rustix::thread::futex::wake(word, Flags::empty(), i32::MAX.unsigned_abs()).map_err(io::Error::from)
}

/// Whether the kernel can wait for a word in memory of this kind. Wakes who waits for it, which has to reckon with that anyway.
pub fn works(word: &AtomicU32) -> bool {
    wake(word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_word_that_is_another_is_not_waited_for() {
        assert_eq!(wait(&AtomicU32::new(7), 8, None).unwrap(), Woken::LookAgain);
    }

    #[test]
    fn time_runs_out() {
        let soon = Some(Duration::from_millis(1));
        assert_eq!(wait(&AtomicU32::new(7), 7, soon).unwrap(), Woken::TimedOut);
        assert_eq!(wait(&AtomicU32::new(7), 7, Some(Duration::ZERO)).unwrap(), Woken::TimedOut);
    }

    #[test]
    fn a_sleeper_is_woken() {
        let word = Arc::new(AtomicU32::new(1));
        let sleeps = Arc::clone(&word);
        let sleeper = std::thread::spawn(move || {
            while sleeps.load(Ordering::Acquire) == 1 {
                wait(&sleeps, 1, None).unwrap();
            }
        });
        word.store(2, Ordering::Release);
        wake(&word).unwrap();
        sleeper.join().unwrap();
    }
}
