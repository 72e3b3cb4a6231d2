//! What the cases about kinds of memory do: show one buffer of it, and say what may come of that.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use selkie_protocols::wayland_client::protocol::wl_shm;

use crate::case::{Outcome, Stop};
use crate::client::Ended;
use crate::expect::{Refusal, done_or_refused, refused};
use crate::session::Session;

/// `wl_shm.invalid_fd`: the memory is none that the compositor reads.
pub fn invalid_fd() -> [Refusal; 1] {
    [Refusal::shm(wl_shm::Error::InvalidFd)]
}

/// Makes a pool of [`crate::window::BYTES`] bytes of an fd and a buffer of all of it, and shows that twice.
///
/// # Errors
///
/// As [`crate::client::Client::present`].
pub fn show(session: &Session, memory: impl AsFd) -> Outcome {
    let mut client = session.connect()?;
    let window = client.window()?;
    let buffer = client.square_of(memory)?;
    client.present(&window.surface, &buffer)?;
    client.present(&window.surface, &buffer)?;
    Ok("shown".to_owned())
}

/// [`show`] for memory that works, but that a compositor may refuse because it cannot be trusted, or because it maps memory
/// to write to it.
///
/// # Errors
///
/// As [`done_or_refused`].
pub fn show_or_refuse(session: &Session, memory: impl AsFd) -> Outcome {
    done_or_refused(show(session, memory), &invalid_fd())
}

/// [`show`] for what nobody can map: it must be refused before it is shown.
///
/// # Errors
///
/// [`Stop::Fail`] if it is shown.
pub fn refuse(session: &Session, memory: impl AsFd) -> Outcome {
    match show(session, memory) {
        Ok(shown) => Err(Stop::fail("wl_shm.invalid_fd", shown)),
        Err(stop) => refused(stop, &invalid_fd()),
    }
}

/// For what is wrong, but where the protocol names no error: any protocol error will do, and so will going on.
///
/// # Errors
///
/// [`Stop::Fail`] if the connection was closed without one.
pub fn done_or_any_error(done: Outcome) -> Outcome {
    match done {
        Err(Stop::Ended(Ended::Error { interface, code, .. })) => {
            Ok(format!("refused: {interface} error {code}"))
        }
        Err(Stop::Ended(closed)) => Err(Stop::fail("a protocol error, or none", closed)),
        other => other,
    }
}

/// Does one thing over and over on another thread while the other is done.
pub fn meanwhile<T>(disturb: impl Fn() + Send + Sync, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                disturb();
            }
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        done
    })
}
