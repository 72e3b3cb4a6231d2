//! What is behind `selkie shm`: Linux's four ways to share memory (System V segments, POSIX shared memory, memfds, dma-bufs),
//! to be tried, looked at and measured.
//!
//! The mechanisms themselves are in `shm-core`; here is what is done with them. Printing is left to the program.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod bench;
pub mod inventory;
pub mod lines;
pub mod meminfo;
pub mod pairs;
pub mod seal;
pub mod trace;
