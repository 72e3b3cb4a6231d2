//! `selkie shm bench`: what it costs to get a message from one process to another, by everything that Linux has for it.
//!
//! # What is measured
//!
//! Two processes, [pinned](Placement) to two cores. For each round, transport and size they are started anew, so that the
//! luck of one start (which pages, which caches) is in the spread and not in the result.
//!
//! - **Latency**: a message goes to the peer, which sends it back. Half of that time is one way. The first messages, an eighth
//!   of the time, are not counted. Of each round there is the median and the 99th percentile; what is shown is the median of
//!   the rounds' medians and of their 99th percentiles, and the least and the greatest of the rounds' medians.
//! - **Throughput**: messages one way, as fast as they go, from before the first is sent until the last is received. The
//!   rounds' median, least and greatest.
//!
//! # What is done for a message
//!
//! The same with every transport that [copies](Transport::copies): the sender has the message in memory of its own, puts its
//! number at both ends, and every byte is copied into the transport (by `write`, or into memory that is shared); the
//! receiver copies every byte out into memory of its own and looks at the number at both ends. So a copy into shared memory
//! and one out of it is set against a `write` and a `read`.
//!
//! Where a frame is handed over, there is nothing to copy: the number is written in place at both ends, and read in place at
//! both ends. The bytes between them are written once, before anything is measured.
//!
//! While warming up each transport also has some messages compared byte by byte.
//!
//! # How it waits
//!
//! A pipe or a socket makes the reader sleep in the kernel. Shared memory by itself makes nobody wait: see
//! [`Transport::about`] for what is used with each.

mod control;
mod cores;
mod fd;
mod memory;
mod message;
mod pair;
mod peer;
mod pipe;
mod plot;
mod region;
mod report;
mod ring;
mod socket;
mod stats;
mod transport;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use control::ControlError;
pub use cores::Placement;
pub use message::{Garbled, Size, SizeError};
pub use peer::{End, PeerError, main as peer};
pub use plot::{PlotError, plot};
pub use report::{Latency, Line, Report, Throughput};
pub use stats::Spread;
pub use transport::{Transport, TransportError, UnknownTransport};

use cores::Pinned;
use pair::{Pair, Round};

/// What a round takes besides the messages: to start a process, and end it.
const START: Duration = Duration::from_millis(10);

/// How many messages are sent at most for one number: what is remembered of each takes memory.
const MOST_MESSAGES: u64 = 1_000_000;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which transports.
    pub transports: Vec<Transport>,
    /// Messages of which sizes.
    pub sizes: Vec<Size>,
    /// How many times; at least 1.
    pub rounds: u32,
    /// About how long all of it may take.
    pub time: Duration,
    /// At most so many messages for one number; at least 1.
    pub messages: Option<u64>,
    /// A directory on a disk, for the transport that uses a file.
    pub dir: PathBuf,
    /// The program that is the peer: it must call [`peer`].
    pub peer: Program,
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is.
    pub program: PathBuf,
    /// What it is told.
    pub arguments: Vec<OsString>,
}

/// What is measured at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many steps are done.
    pub done: u64,
    /// How many there are.
    pub steps: u64,
    /// The round, from 1.
    pub round: u32,
    /// The transport.
    pub transport: Transport,
    /// The size.
    pub size: Size,
}

/// Measures, and says now and then how far it is.
///
/// # Errors
///
/// [`BenchError`]: nothing is measured that does not work.
pub fn run(config: &Config, mut progress: impl FnMut(Progress)) -> Result<Report, BenchError> {
    let placement = Placement::choose().map_err(|source| BenchError::Placement { source })?;
    let cpu = placement.first();
    let _pinned = Pinned::to(cpu).map_err(|source| BenchError::Pin { cpu, source })?;
    let cases: Vec<(Size, Transport)> =
        config.sizes.iter().flat_map(|&size| config.transports.iter().map(move |&t| (size, t))).collect();
    let steps = cases.len() as u64 * u64::from(config.rounds);
    let slot = slot(config.time, steps);
    let most = config.messages.unwrap_or(MOST_MESSAGES).clamp(1, MOST_MESSAGES);
    let mut found: Vec<Vec<Round>> = cases.iter().map(|_| Vec::new()).collect();
    let mut done = 0;
    // Round by round rather than case by case: what disturbs the machine for a while disturbs one round of many cases.
    for round in 1..=config.rounds {
        for (&(size, transport), found) in cases.iter().zip(&mut found) {
            progress(Progress { done, steps, round, transport, size });
            found.push(Pair::start(config, placement, transport, size)?.round(slot, most)?);
            done += 1;
        }
    }
    let lines =
        cases.into_iter().zip(found).map(|((size, transport), rounds)| Line::of(transport, size, rounds));
    Ok(Report { placement, rounds: config.rounds, results: lines.collect() })
}

/// How long each of a step's two measurements may take. Each is preceded by a warm-up of an eighth of that or more: since the
/// numbers of messages are doubled there, a quarter.
fn slot(time: Duration, steps: u64) -> Duration {
    let step = time / u32::try_from(steps.max(1)).unwrap_or(u32::MAX);
    step.saturating_sub(START) * 2 / 5
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// It cannot be found out which CPUs there are.
    #[error("cannot find out which CPUs this process may use")]
    Placement {
        /// What the kernel said.
        source: io::Error,
    },
    /// The process may not run where it should.
    #[error("cannot run on CPU {cpu} alone")]
    Pin {
        /// Which CPU.
        cpu: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The other process could not be started.
    #[error("cannot start {program:?} as the other process")]
    Start {
        /// What should be run.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The processes could not talk.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The other process is out of step.
    #[error("the other process answers what it was not asked: is it the same selkie?")]
    Disorder,
    /// A transport does not work.
    #[error("{transport}, {size}")]
    Transport {
        /// Which one.
        transport: Transport,
        /// With messages of which size.
        size: Size,
        /// Why.
        source: TransportError,
    },
    /// A transport does not work in the other process.
    #[error("{transport}, {size}: the other process: {sentence}")]
    Peer {
        /// Which one.
        transport: Transport,
        /// With messages of which size.
        size: Size,
        /// Why.
        sentence: String,
    },
    /// The other process has ended.
    #[error("{transport}, {size}: the other process has ended ({how}) before all was measured")]
    PeerEnded {
        /// In the middle of this.
        transport: Transport,
        /// With messages of this size.
        size: Size,
        /// Its exit status.
        how: String,
    },
}
