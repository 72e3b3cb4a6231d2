//! Ends the connection of a client that never stops talking.
//!
//! A client's turn lasts until its socket is empty, and some requests are answered by
//! wayland-server without any code of ours running, so only another thread can end a turn. It
//! sleeps while there is nothing to do, and looks a few times a second while there is.
//!
//! A turn may also be long because the machine is slow or one request is, which is not the client's fault: then there is nothing
//! more to read. So what counts is that there always is.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A turn that lasts over so many looks in a row, with more to read at each, is ended: others are served within
/// a second even then.
const FULL_LOOKS: u32 = 2;
/// And over so many whatever there is to read.
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
}

impl Watchdog {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared { parked: AtomicBool::new(true), ..Shared::default() });
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
        let (mut looks, mut full) = (0, 0);
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
            if now != seen || now.is_multiple_of(2) {
                (seen, looks, full) = (now, 0, 0);
                continue;
            }
            let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).upgrade() else {
                continue;
            };
            looks += 1;
            let waiting = rustix::io::ioctl_fionread(&stream).is_ok_and(|bytes| bytes > 0);
            full = if waiting { full + 1 } else { 0 };
            if full >= FULL_LOOKS || looks >= MOST_LOOKS {
                end_turn(&stream, LOOK_EVERY * looks);
            }
        }
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
