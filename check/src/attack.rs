//! Attacks, and the ordinary client beside them: whatever one client does, another is served in time, and afterwards too.
//!
//! The attacker may be ended with any error, or closed without one, or go on: what a compositor lets a client have is its
//! own affair.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use shm_core::process::scheduled;
use wayland_client::protocol::wl_buffer::WlBuffer;

use crate::case::{Outcome, Stop};
use crate::client::{Client, Ended};
use crate::expect::unexpected;
use crate::session::Session;
use crate::window::Window;
use crate::wire::Wire;

/// How long an ordinary client may wait for a frame, in seconds.
const SERVED_SECONDS: u64 = 1;

/// What most cases about load demand.
pub const SERVED: &str = "The client may be ended with any error; meanwhile and afterwards an ordinary client gets each \
                          frame within 1 s, and nothing of the first is kept.";

/// An ordinary client with a window, which shows frames.
pub struct Bystander {
    client: Client,
    window: Window,
    buffer: WlBuffer,
    pid: Option<i32>,
    allowed: Duration,
}

impl Session {
    /// An ordinary client, which has shown its first frame.
    ///
    /// # Errors
    ///
    /// As [`Client::shown_window`].
    pub fn bystander(&self) -> Result<Bystander, Stop> {
        let mut client = self.connect()?;
        let (window, buffer) = client.shown_window()?;
        Ok(Bystander { client, window, buffer, pid: self.pid, allowed: self.seconds(SERVED_SECONDS) })
    }

    /// Runs an attack over a connection of its own. An ordinary client must be served meanwhile, while the attacker just
    /// stays, and when it is gone.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] or [`Stop::Hang`] if it is not; a skip of the attack's.
    pub fn withstands(&self, attack: impl FnOnce(&mut Wire) -> Result<(), Stop> + Send) -> Outcome {
        let mut bystander = self.bystander()?;
        let mut wire = Wire::connect(self)?;
        let attack = || {
            let done = attack(&mut wire);
            // A client that does not read cannot be answered.
            done.and_then(|()| if wire.reads { wire.roundtrip() } else { Ok(()) })
        };
        let seen = bystander.beside(attack)?;
        bystander.is_served()?;
        drop(wire);
        bystander.is_served()?;
        seen
    }
}

impl Bystander {
    /// It is served again and again while something else is done in another thread, and gives what came of that.
    ///
    /// # Errors
    ///
    /// As [`Bystander::is_served`].
    pub fn beside(&mut self, attack: impl FnOnce() -> Result<(), Stop> + Send) -> Result<Outcome, Stop> {
        std::thread::scope(|scope| {
            let attacker = scope.spawn(attack);
            loop {
                self.is_served()?;
                if attacker.is_finished() {
                    return Ok(came_of(attacker.join().unwrap_or_else(|_| Err(Stop::skip("the attack")))));
                }
            }
        })
    }

    /// It shows another frame in time. The time in which the compositor, or this process, had something to do and no
    /// processor to do it on does not count.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it takes longer or is ended, [`Stop::Hang`] if nothing comes.
    pub fn is_served(&mut self) -> Result<(), Stop> {
        let (begun, before) = (Instant::now(), delays(self.pid));
        let shown = self.client.present(&self.window.surface, &self.buffer);
        let waited = begun.elapsed().saturating_sub(longer(&before, &delays(self.pid)));
        self.client.events.log.clear();
        let expected = format!("a frame of an ordinary client within {} s", self.allowed.as_secs());
        match shown.map_err(unexpected) {
            Ok(()) if waited <= self.allowed => Ok(()),
            Ok(()) => Err(Stop::fail(expected, format_args!("it after {:.1} s", waited.as_secs_f32()))),
            Err(Stop::Hang(_)) => Err(Stop::Hang(expected)),
            Err(Stop::Fail { got, .. }) => Err(Stop::fail(expected, got)),
            Err(other) => Err(other),
        }
    }
}

/// How long this thread, and each of the compositor's, has waited for a processor so far.
fn delays(pid: Option<i32>) -> HashMap<PathBuf, Duration> {
    let tasks = pid.and_then(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
    let mut threads: Vec<PathBuf> = tasks.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    threads.push("/proc/thread-self".into());
    let delay = |path: PathBuf| scheduled(&path).map(|scheduled| (path, scheduled.waited));
    threads.into_iter().filter_map(delay).collect()
}

/// How long the thread waited that waited longest between the two.
fn longer(before: &HashMap<PathBuf, Duration>, after: &HashMap<PathBuf, Duration>) -> Duration {
    let waited =
        after.iter().map(|(path, delay)| delay.saturating_sub(before.get(path).copied().unwrap_or_default()));
    waited.max().unwrap_or_default()
}

/// What an attack came to: the compositor may do as it likes with the attacker.
fn came_of(attack: Result<(), Stop>) -> Outcome {
    match attack {
        Ok(()) => Ok("went on".to_owned()),
        Err(Stop::Hang(_)) => Ok("kept waiting".to_owned()),
        Err(Stop::Ended(Ended::Closed(_))) => Ok("closed".to_owned()),
        Err(Stop::Ended(ended @ Ended::Error { .. })) => Ok(format!("ended: {ended}")),
        Err(other) => Err(other),
    }
}

/// Pseudo-random numbers that are the same in each run (xorshift, G. Marsaglia 2003): what is found is found again.
#[derive(Debug, Clone)]
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end.max(1)
    }
}
