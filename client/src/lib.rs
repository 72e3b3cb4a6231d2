//! The selkie test client: shows test patterns in a window, from memory that is sealed (or, on
//! request, is not), and tells what became of every frame.
//!
//! ```no_run
//! use selkie_client::{Config, Pattern};
//!
//! let config = Config { pattern: Pattern::Plasma, frames: Some(100), ..Config::default() };
//! let statistics = selkie_client::run(config)?;
//! println!("{} frames at {:.1} Hz", statistics.presented, statistics.rate);
//! # Ok::<(), selkie_client::ClientError>(())
//! ```
//!
//! The pictures are pure functions of the frame's number ([`Picture`]), and carry a stamp that a screenshot can be
//! decoded from ([`stamp`]), so that a test can tell exactly what a compositor showed.
//!
//! There is no state outside a run: several can go on in one process, each on its own thread.

#![deny(unsafe_code)]

mod card;
mod config;
mod connection;
mod dmabuf;
mod error;
mod feedback;
mod flight;
mod format;
mod handlers;
mod layer;
mod ledger;
mod memory;
mod pattern;
mod picture;
mod pool;
mod report;
mod run;
mod source;
mod sourcing;
pub mod stamp;
mod stats;
mod window;
mod yuv;

pub use card::CardError;
pub use config::{Config, ConfigError, Memory, Redraw, Scene, Size, Subsurface, Transform};
pub use connection::ConnectError;
pub use error::{ClientError, ProtocolError};
pub use feedback::{FeedbackError, Modifier};
pub use format::{Format, Pixel, opaque, opaque8};
pub use ledger::LedgerRecord;
pub use memory::MemoryError;
pub use pattern::Pattern;
pub use picture::{Painter, Picture, Place};
pub use run::{Hooks, StopSource, Stopper, run, run_with, stopper};
pub use shm_core::seals::Seals;
pub use source::{BufferKind, SourceError};
pub use sourcing::Buffers;
pub use stats::{Ended, Latency, PresentSource, ShrinkOutcome, Statistics};
pub use window::{Event, Observer};
