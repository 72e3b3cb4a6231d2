//! What a Wayland program shares with its compositor, and what strict compositors would say to it.
//!
//! [`run`] starts the program with a proxy between it and a compositor (one of its own, or the user's), watches every pool and
//! dma-buf that passes by, and gives a [`Report`]: facts, a verdict for each policy, and what to change.

#![deny(unsafe_code)]

mod advice;
mod behind;
mod fitness;
mod memory;
mod picture;
mod program;
mod proxy;
mod record;
mod report;
mod run;
mod table;

pub use behind::{Behind, BehindError};
pub use memory::Sealing;
pub use program::SpawnError;
pub use report::{Advice, Buffer, Connection, DmaBuf, Outcome, Pool, Report, Usage};
pub use run::{AuditError, Config, run};
