//! What the end-to-end tests stand on: real compositors started as processes, pictures of what they
//! show, and a client that can say anything.
//!
//! Nothing here waits by sleeping for a guessed time. What belongs to this project says when it is
//! ready; a program of others is asked again and again until a deadline, and that is written in one
//! place, [`process::eventually`].

#![deny(unsafe_code)]
// A test that cannot have what it needs has failed; the helpers are part of the test.
#![allow(clippy::unwrap_used)]
// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code, unused_imports, unused_macros)]

pub mod artist;
pub mod audit;
pub mod broken;
pub mod chance;
pub mod dmabuf;
pub mod fuse;
pub mod host;
pub mod image;
pub mod mock;
pub mod pairs;
pub mod process;
pub mod raw;
pub mod reference;
pub mod report;
pub mod scenes;
pub mod show;
pub mod wire;
pub mod witness;

pub use artist::Artist;
pub use host::{Host, Kind};
pub use image::{Image, animation, assert_alike, assert_close, assert_same};
pub use mock::Mock;
pub use process::{Counters, Process, RuntimeDir, eventually, program};
pub use wire::Wire;
pub use witness::Witness;

/// Ends the test as skipped, with the reason printed, unless the condition holds. Where
/// `SELKIE_REQUIRE_HOSTS` is set (in CI) a skip is a failure.
macro_rules! require {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return crate::support::skip(&format!($($why)+));
        }
    };
}
pub(crate) use require;

/// [`require!`] for programs: skips unless each of them is installed.
macro_rules! require_programs {
    ($($name:expr),+ $(,)?) => {
        $(crate::support::require!(
            crate::support::program($name).is_some(), "{} is not installed", $name
        );)+
    };
}
pub(crate) use require_programs;

/// Ends the test as skipped, with the reason printed, unless there are these device files. Where
/// `SELKIE_REQUIRE_DMABUF` is set (in the guest of `make test-vm`, which has them) that is a failure.
macro_rules! require_devices {
    ($($path:expr),+ $(,)?) => {
        $(if !std::path::Path::new($path).exists() {
            return crate::support::skip_dmabuf(&format!("there is no {}", $path));
        })+
    };
}
pub(crate) use require_devices;

/// [`require_devices!`] for dma-bufs with fences that a test holds in its hand.
macro_rules! require_fences {
    () => {
        crate::support::require_devices!("/dev/udmabuf");
        if let Err(error) = shm_core::vgem::Vgem::open() {
            return crate::support::skip_dmabuf(&error.to_string());
        }
    };
}
pub(crate) use require_fences;

/// Says why a test that needs dma-bufs is skipped; panics instead where there must be dma-bufs.
///
/// # Panics
/// With `SELKIE_REQUIRE_DMABUF` set to anything but `0` or nothing.
pub fn skip_dmabuf(why: &str) {
    assert!(!set("SELKIE_REQUIRE_DMABUF"), "would be skipped, and SELKIE_REQUIRE_DMABUF is set: {why}");
    eprintln!("SKIPPED: {why}");
}

fn set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| !value.is_empty() && value != "0")
}

/// Says why a test is skipped; panics instead where every test must run.
///
/// # Panics
/// With `SELKIE_REQUIRE_HOSTS` set to anything but `0` or nothing.
pub fn skip(why: &str) {
    assert!(!set("SELKIE_REQUIRE_HOSTS"), "would be skipped, and SELKIE_REQUIRE_HOSTS is set: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Says why a test is skipped that the machine or its kernel does not let run; unlike what can be
/// installed, that is no failure anywhere.
pub fn impossible(why: &str) {
    eprintln!("SKIPPED: {why}");
}
