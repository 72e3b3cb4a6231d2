//! Protocol errors as values.
//!
//! A request handler returns `Result<(), ProtocolError>`, and one place posts it. So a handler that
//! reports a client's mistake cannot go on working with what was wrong.

use wayland_backend::server::ObjectId;
use wayland_server::Resource;

/// A client's mistake; it ends that client and nobody else.
#[derive(Debug, Clone)]
pub struct ProtocolError {
    /// The code, from the interface's `error` enum.
    pub code: u32,
    /// For the person who wrote the client: what was wrong and what to do.
    pub message: String,
    /// Which object to report it on.
    pub culprit: Culprit,
}

/// The object that an error is reported on; its interface gives the code its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Culprit {
    /// The one that got the request.
    Receiver,
    /// Another one of the client's.
    Object(ObjectId),
    /// `wl_display`, which every client has: for the errors that any request can come to.
    Display,
}

/// `wl_display.error.no_memory`.
const NO_MEMORY: u32 = 2;

impl ProtocolError {
    /// An error to report on the object that got the request.
    pub fn new(code: impl Into<u32>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), culprit: Culprit::Receiver }
    }

    /// `wl_display.error.no_memory`: ends a client that wants more than it may have.
    pub fn no_memory(message: impl Into<String>) -> Self {
        Self { code: NO_MEMORY, message: message.into(), culprit: Culprit::Display }
    }

    /// The same error, reported on `object`.
    pub fn on(mut self, object: &impl Resource) -> Self {
        self.culprit = Culprit::Object(object.id());
        self
    }
}

/// What a request handler returns.
pub type Outcome = Result<(), ProtocolError>;
