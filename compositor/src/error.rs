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
    /// The object to report it on, where that is not the one that got the request.
    pub object: Option<ObjectId>,
}

impl ProtocolError {
    /// An error to report on the object that got the request.
    pub fn new(code: impl Into<u32>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), object: None }
    }

    /// The same error, reported on `object`.
    pub fn on(mut self, object: &impl Resource) -> Self {
        self.object = Some(object.id());
        self
    }
}

/// What a request handler returns.
pub type Outcome = Result<(), ProtocolError>;
