//! The selkie compositor: what a client's memory is decides how it is shown.
//!
//! [`Compositor::start`] makes the socket, [`Compositor::run`] serves it. See the project's design
//! document for the words used here (pool, verdict, policy, path, ledger).
//!
//! Memory and system calls are `shm-core`'s business. The one module here with `unsafe` is
//! [`render::pixman`], at the boundary to the C library pixman.

#![deny(unsafe_code)]

mod backend;
pub mod buffer;
pub mod capture;
mod client;
mod clock;
mod config;
mod connections;
mod dispatch;
mod error;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod geometry;
mod held;
mod ledger;
mod pictures;
mod protocol;
pub mod render;
mod report;
mod run;
pub mod scene;
mod scene_diff;
mod screencopy;
mod seat;
mod server;
mod shell;
pub mod surface;
#[cfg(test)]
mod testing;
mod watchdog;

pub use backend::wayland::{HostError, IMPORTED_STRIDE, MOST_PIXELS};
pub use client::{ClientState, Counts, Limits};
pub use config::{BackendKind, Config, Import, Placement};
pub use error::{Culprit, ProtocolError};
pub use ledger::ClientRecord;
pub use report::ReportError;
pub use run::{Compositor, Ended, Remote, RunError, StartError, Summary};
pub use seat::{Axis, AxisSource, InputEvent, KeymapError};
