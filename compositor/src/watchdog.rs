//! Ends the connection of a client that never stops talking.
//!
//! A client's turn lasts until its socket is empty, and some requests are answered by
//! wayland-server without any code of ours running, so only another thread can end a turn. It
//! sleeps while there is nothing to do, and looks a few times a second while there is.
//!
//! A turn may also be long because the machine is slow or one request is, which is not the client's fault: then there is nothing
//! more to read. So what counts is that there always is; and only the time for which our thread really ran, since
//! what has come while others had the processor could not be read.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use shm_core::process::scheduled;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A turn in which the thread runs for as long as this over looks in a row, with more to read at each, is ended: others are
/// served within a second even then.
const BUSY: Duration = Duration::from_millis(350);
/// So is one that lasts over so many looks, whatever there is to read.
const MOST_LOOKS: u32 = 40;

/// The thread, and how it is told.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    /// Odd while a turn is in progress: grows by one at its beginning and at its end.
    turn: AtomicU64,
    /// Whether the thread sleeps until it is woken.
    parked: AtomicBool,
    stop: AtomicBool,
    /// Whose turn it is, or was last.
    stream: Mutex<Weak<UnixStream>>,
    /// The thread whose turns they are, in `/proc`.
    task: PathBuf,
}

impl Watchdog {
    /// Starts the thread that watches this one.
    pub fn start() -> io::Result<Self> {
        let task = format!("/proc/self/task/{}", rustix::thread::gettid().as_raw_nonzero()).into();
        let shared = Arc::new(Shared { parked: AtomicBool::new(true), task, ..Shared::default() });
        let theirs = shared.clone();
        let handle = thread::Builder::new().name("selkie-watchdog".into()).spawn(move || theirs.look())?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// A turn of the client behind `stream` begins.
    pub fn watch(&self, stream: &Arc<UnixStream>) {
        *self.shared.stream.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(stream);
        self.shared.turn.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// The turn has ended.
    pub fn stand_down(&self) {
        self.shared.turn.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn look(&self) {
        let mut seen = self.turn.load(Ordering::SeqCst);
        let (mut looks, mut busy, mut ran) = (0, Duration::ZERO, self.ran());
        while !self.stop.load(Ordering::SeqCst) {
            if self.parked.load(Ordering::SeqCst) {
                thread::park();
                continue;
            }
            self.wait();
            let now = self.turn.load(Ordering::SeqCst);
            if now == seen && now.is_multiple_of(2) {
                // Nothing since the last look. A turn that begins right now sees the flag and wakes us.
                self.parked.store(true, Ordering::SeqCst);
                if self.turn.load(Ordering::SeqCst) != now {
                    self.parked.store(false, Ordering::SeqCst);
                }
            }
            if now.is_multiple_of(2) {
                seen = now;
                continue;
            }
            let ran_before = std::mem::replace(&mut ran, self.ran());
            if now != seen {
                (seen, looks, busy) = (now, 0, Duration::ZERO);
                continue;
            }
            let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).upgrade() else {
                continue;
            };
            looks += 1;
            let waiting = rustix::io::ioctl_fionread(&stream).is_ok_and(|bytes| bytes > 0);
            let ran_now = ran.zip(ran_before).map_or(LOOK_EVERY, |(now, before)| now.saturating_sub(before));
            busy = if waiting { busy + ran_now } else { Duration::ZERO };
            if busy >= BUSY || looks >= MOST_LOOKS {
                end_turn(&stream, LOOK_EVERY * looks);
            }
        }
    }

    /// For how long the watched thread has run, if that is known.
    fn ran(&self) -> Option<Duration> {
        scheduled(&self.task).map(|scheduled| scheduled.ran)
    }

    /// Waits for the next look. Being woken does not make that come sooner: a turn that was only
    /// just seen to begin must not be taken for a long one.
    fn wait(&self) {
        let next = Instant::now() + LOOK_EVERY;
        while let Some(rest) = next.checked_duration_since(Instant::now())
            && !rest.is_zero()
            && !self.stop.load(Ordering::SeqCst)
        {
            thread::park_timeout(rest);
        }
    }
}

/// Cuts a connection: its next read is the end of the file.
fn end_turn(stream: &UnixStream, lasted: Duration) {
    tracing::warn!("a client kept the compositor busy for {lasted:?} without a pause: ended");
    // It may have gone by itself in the meantime.
    let _ = stream.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};

    use super::*;

    /// A connection with something to read, in whose turn we are from now on; and the client's end of it.
    fn turn() -> (Watchdog, Arc<UnixStream>, UnixStream) {
        let (ours, mut client) = UnixStream::pair().unwrap();
        client.write_all(b"more").unwrap();
        client.set_nonblocking(true).unwrap();
        let (watchdog, ours) = (Watchdog::start().unwrap(), Arc::new(ours));
        watchdog.watch(&ours);
        (watchdog, ours, client)
    }

    fn is_ended(mut client: &UnixStream) -> bool {
        match client.read(&mut [0]) {
            Ok(0) => true,
            Err(e) if e.kind() == ErrorKind::WouldBlock => false,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_turn_that_keeps_us_running_is_ended() {
        let (_watchdog, _ours, client) = turn();
        // What is waited for comes of our running.
        while !is_ended(&client) {}
    }

    #[test]
    fn a_turn_in_which_we_do_not_run_is_nobodys_fault() {
        let (_watchdog, _ours, client) = turn();
        // Over four looks: as if others had the processor.
        thread::sleep(LOOK_EVERY * 5);
        assert!(!is_ended(&client));
    }
}
