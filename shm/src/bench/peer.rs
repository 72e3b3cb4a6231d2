//! The process at the other end: it does as it is told, and ends when the one that started it does.

use std::convert::Infallible;
use std::io;

use super::control::{Answer, Control, ControlError, Order, now};
use super::cores::Pinned;
use super::message::{Garbled, Look};
use super::transport::{Endpoint, Joining, TransportError};

/// How the peer came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The other process needed it no more.
    Dismissed,
    /// Something went wrong, and the other process has been told what.
    Failed,
}

/// Is the peer: takes the other end of the transport that it is told of by the socket that is standard input, and works
/// until the process at that socket's other end closes it, or is no more.
///
/// # Errors
///
/// [`PeerError`], if the other process is not there to be told.
pub fn main() -> Result<End, PeerError> {
    let control = Control::inherited()?;
    match obey(&control) {
        Err(PeerError::Control(ControlError::Gone)) => Ok(End::Dismissed),
        Err(error) => {
            let text = with_causes(&error);
            control.say(&Answer::Failed(text)).map_or(Err(error), |()| Ok(End::Failed))
        }
        Ok(never) => match never {},
    }
}

/// Follows orders until there is nobody to give any.
fn obey(control: &Control) -> Result<Infallible, PeerError> {
    let Order::Join { transport, size, cpu, place, fds } = control.hear()? else {
        return Err(PeerError::Disorder);
    };
    let fds = control.take(fds)?;
    let _pinned = Pinned::to(cpu).map_err(|source| PeerError::Pin { cpu, source })?;
    let watch = control.watch().map_err(|source| PeerError::Watch { source })?;
    let mut endpoint = transport.join(Joining { size, place, fds, watch })?;
    control.say(&Answer::Ready)?;
    loop {
        match control.hear::<Order>()? {
            Order::Join { .. } => return Err(PeerError::Disorder),
            Order::Echo { count, look } => {
                control.say(&Answer::Ready)?;
                echo(endpoint.as_mut(), count, look)?;
            }
            Order::Take { count, look } => {
                control.say(&Answer::Ready)?;
                take(endpoint.as_mut(), count, look)?;
            }
        }
        control.say(&Answer::Done { at: now() })?;
    }
}

fn echo(endpoint: &mut dyn Endpoint, count: u64, look: Look) -> Result<(), TransportError> {
    for _ in 0..count {
        let number = endpoint.receive(look)?;
        endpoint.send(number)?;
    }
    Ok(())
}

fn take(endpoint: &mut dyn Endpoint, count: u64, look: Look) -> Result<(), TransportError> {
    for expected in 0..count {
        let got = endpoint.receive(look)?;
        if got != expected {
            return Err(Garbled::Order { expected, got }.into());
        }
    }
    Ok(())
}

/// An error and what caused it, in a sentence that survives the way to the other process.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why the peer could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It cannot talk with the process that started it.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// It was told to do things in an order in which they cannot be done.
    #[error("the other process says what this one does not understand: are they the same selkie?")]
    Disorder,
    /// It may not run where it should.
    #[error("cannot run on CPU {cpu} alone")]
    Pin {
        /// Which CPU.
        cpu: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// It could not notice the end of the process that started it.
    #[error("cannot watch the other process")]
    Watch {
        /// What the kernel said.
        source: io::Error,
    },
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
}
