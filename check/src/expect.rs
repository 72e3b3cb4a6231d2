//! What a case expects of the compositor: a certain protocol error, or to go on, or one of the two.

use std::fmt::{Debug, Display};

use selkie_protocols::wayland_client::protocol::{wl_display, wl_shm};

use crate::case::{Outcome, Stop};
use crate::client::{Client, Ended};

/// A protocol error that a compositor may send.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The interfaces that it may be sent for; empty: any.
    interfaces: &'static [&'static str],
    code: u32,
    /// Its name, as `wl_shm.invalid_fd`.
    name: String,
}

impl Refusal {
    /// An error of one interface, given as its generated enumeration.
    pub fn new<E: Debug + Into<u32>>(interface: &'static [&'static str], error: E) -> Refusal {
        let name = format!("{}.{}", interface.first().unwrap_or(&"any"), snake_case(&format!("{error:?}")));
        Refusal { interfaces: interface, code: error.into(), name }
    }

    /// An error of `wl_shm`, whose codes are used by `wl_shm_pool` (and, for memory that faults, by buffers and surfaces
    /// in libwayland) too.
    pub fn shm(error: wl_shm::Error) -> Refusal {
        Refusal::new(&["wl_shm", "wl_shm_pool", "wl_buffer", "wl_surface"], error)
    }

    /// An error of `wl_display`, which may come for any object.
    pub fn display(error: wl_display::Error) -> Refusal {
        let mut refusal = Refusal::new(&["wl_display"], error);
        refusal.interfaces = &[];
        refusal
    }

    /// Whether it is this code of this interface; an interface that is not known counts as the right one.
    pub fn is(&self, interface: &str, code: u32) -> bool {
        let named =
            interface.is_empty() || self.interfaces.is_empty() || self.interfaces.contains(&interface);
        named && code == self.code
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn list(refusals: &[Refusal]) -> String {
    let names: Vec<&str> = refusals.iter().map(|refusal| refusal.name.as_str()).collect();
    names.join(" or ")
}

/// Judges how a connection ended.
fn judge(ended: &Ended, refusals: &[Refusal], expected: impl Display) -> Outcome {
    match ended {
        Ended::Error { interface, code, .. } => {
            match refusals.iter().find(|refusal| refusal.is(interface, *code)) {
                Some(refusal) => Ok(format!("refused: {}", refusal.name)),
                None => Err(Stop::fail(expected, ended)),
            }
        }
        Ended::Closed(_) => Err(Stop::fail(expected, ended)),
    }
}

impl Client {
    /// The compositor must end this connection with one of these errors, for what was asked of it so far.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it goes on, or ends the connection otherwise; [`Stop::Hang`] if it does not answer.
    pub fn must_be_refused(&mut self, refusals: &[Refusal]) -> Outcome {
        match self.roundtrip() {
            Ok(()) => Err(Stop::fail(list(refusals), "no error")),
            Err(stop) => refused(stop, refusals),
        }
    }

    /// The compositor must go on serving this connection.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it ends the connection, [`Stop::Hang`] if it does not answer.
    pub fn must_be_accepted(&mut self) -> Outcome {
        match self.roundtrip() {
            Ok(()) => Ok("accepted".to_owned()),
            Err(stop) => Err(unexpected(stop)),
        }
    }
}

/// What comes of something that the compositor may do, or refuse with one of these errors: `done` is what doing it came
/// to.
///
/// # Errors
///
/// [`Stop::Fail`] if it ended the connection in another way; any other stop as it is.
pub fn done_or_refused(done: Outcome, refusals: &[Refusal]) -> Outcome {
    match done {
        Err(Stop::Ended(ended)) => judge(&ended, refusals, format_args!("success, or {}", list(refusals))),
        other => other,
    }
}

/// What comes of a stop where one of these errors was to come.
///
/// # Errors
///
/// [`Stop::Fail`] if the connection ended in another way; any other stop as it is.
pub fn refused(stop: Stop, refusals: &[Refusal]) -> Outcome {
    match stop {
        Stop::Ended(ended) => judge(&ended, refusals, list(refusals)),
        other => Err(other),
    }
}

/// A connection that ended where it was to go on is a failure.
pub fn unexpected(stop: Stop) -> Stop {
    match stop {
        Stop::Ended(ended) => Stop::fail("no error", ended),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn error(interface: &str, code: u32) -> Ended {
        Ended::Error { interface: interface.into(), code, message: "no".into() }
    }

    #[test]
    fn only_the_error_that_was_expected_is_taken() {
        let fd = [Refusal::shm(wl_shm::Error::InvalidFd)];
        assert_eq!(refused(error("wl_shm", 2).into(), &fd).unwrap(), "refused: wl_shm.invalid_fd");
        assert_eq!(refused(error("wl_shm_pool", 2).into(), &fd).unwrap(), "refused: wl_shm.invalid_fd");
        let fail = refused(error("wl_shm", 1).into(), &fd).unwrap_err();
        assert_eq!(fail, Stop::fail("wl_shm.invalid_fd", "wl_shm error 1 (\"no\")"));
        assert!(matches!(refused(error("wl_display", 2).into(), &fd), Err(Stop::Fail { .. })));
        assert!(matches!(refused(Ended::Closed("EOF".into()).into(), &fd), Err(Stop::Fail { .. })));
        assert_eq!(refused(Stop::Hang("x".into()), &fd), Err(Stop::Hang("x".into())));
    }
}
