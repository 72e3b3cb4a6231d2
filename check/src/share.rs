//! What the cases about kinds of memory do: show one buffer of it, and say what may come of that.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

/// How often something is disturbed at the least: on a busy machine, the thread that does it may not run for a while.
const DISTURBED: usize = 500;
/// How many times as often as it must be something is done, to be disturbed so often.
const MOST_TIMES: usize = 50;

/// Does `step` at least so often, and until it has been disturbed from another thread over and over.
///
/// # Errors
///
/// The first of `step`'s, with which it ends.
pub fn meanwhile(
    disturb: impl Fn() + Send + Sync,
    least: usize,
    step: impl FnMut() -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (over, disturbed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                disturb();
                disturbed.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut steps = std::iter::repeat_with(step).take(least * MOST_TIMES).enumerate();
        let enough = |n: usize| n + 1 >= least && disturbed.load(Ordering::Relaxed) >= DISTURBED;
        let done = steps.find_map(|(n, done)| match done {
            Ok(()) => enough(n).then_some(Ok(())),
            Err(stop) => Some(Err(stop)),
        });
        over.store(true, Ordering::Relaxed);
        done.unwrap_or(Ok(()))
    })
}
