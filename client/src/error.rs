//! What can end a run of the client before its time.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::ConfigError;
use crate::connection::ConnectError;
use crate::feedback::FeedbackError;
use crate::memory::MemoryError;
use crate::source::SourceError;

/// Why the client could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no compositor to talk to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The compositor lacks something the client cannot do without.
    #[error("the compositor does not offer {interface} version {version}")]
    Missing {
        /// The interface.
        interface: &'static str,
        /// The lowest version that would do.
        version: u32,
    },
    /// The compositor does not take this pixel format.
    #[error("the compositor does not take the format {format}")]
    Format {
        /// The format's name.
        format: &'static str,
    },
    /// There are no buffers of the kind asked for.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What the compositor says about dma-bufs makes no sense.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
    /// No memory for the buffers.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The compositor ended the connection with a protocol error.
    #[error(transparent)]
    Protocol(ProtocolError),
    /// The connection broke without a word from the compositor.
    #[error("the connection to the compositor broke")]
    Lost {
        /// What the system said.
        source: io::Error,
    },
    /// The report could not be written.
    #[error("cannot write the report {}", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The event loop could not be set up.
    #[error("cannot set up the event loop")]
    EventLoop {
        /// What calloop said.
        source: calloop::Error,
    },
    /// [`crate::Config::deadline`] passed.
    #[error("not finished after {0:?}")]
    Deadline(Duration),
}

/// A protocol error, as the compositor sent it: the reason it ended the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ProtocolError {
    /// The interface of the object it is about; empty where it is not known.
    pub interface: String,
    /// The error's number in the interface's `error` enum.
    pub code: u32,
    /// The error's name there; empty where it is not known.
    pub name: &'static str,
    /// What the compositor said.
    pub message: String,
}

impl ProtocolError {
    /// Completes what came over the wire.
    pub(crate) fn new(interface: &str, code: u32, message: &str) -> ProtocolError {
        let (interface, message) = (interface.to_owned(), message.to_owned());
        ProtocolError { name: name(&interface, code), interface, code, message }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interface = if self.interface.is_empty() { "protocol" } else { &self.interface };
        match self.name {
            "" => write!(f, "{interface} error {}: {}", self.code, self.message),
            name => write!(f, "{interface}.{name} ({}): {}", self.code, self.message),
        }
    }
}

/// The names of the errors that a client like this one can meet.
fn name(interface: &str, code: u32) -> &'static str {
    let names: &[&str] = match interface {
        "wl_display" => &["invalid_object", "invalid_method", "no_memory", "implementation"],
        // Errors of a pool and a buffer are defined with wl_shm.
        "wl_shm" | "wl_shm_pool" | "wl_buffer" => &["invalid_format", "invalid_stride", "invalid_fd"],
        "zwp_linux_buffer_params_v1" => &[
            "already_used",
            "plane_idx",
            "plane_set",
            "incomplete",
            "invalid_format",
            "invalid_dimensions",
            "out_of_bounds",
            "invalid_wl_buffer",
        ],
        "wl_surface" => {
            &["invalid_scale", "invalid_transform", "invalid_size", "invalid_offset", "defunct_role_object"]
        }
        "wl_subcompositor" => &["bad_surface", "bad_parent"],
        "wl_subsurface" => &["bad_surface"],
        "wp_viewporter" => &["viewport_exists"],
        "wp_viewport" => &["bad_value", "bad_size", "out_of_buffer", "no_surface"],
        "xdg_wm_base" => &[
            "role",
            "defunct_surfaces",
            "not_the_topmost_popup",
            "invalid_popup_parent",
            "invalid_surface_state",
            "invalid_positioner",
            "unresponsive",
        ],
        "xdg_surface" => &[
            "",
            "not_constructed",
            "already_constructed",
            "unconfigured_buffer",
            "invalid_serial",
            "invalid_size",
            "defunct_role_object",
        ],
        "xdg_toplevel" => &["invalid_resize_edge", "invalid_parent", "invalid_size"],
        _ => &[],
    };
    usize::try_from(code).ok().and_then(|code| names.get(code)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_error_names_itself() {
        let shown = |interface, code| ProtocolError::new(interface, code, "no").to_string();
        assert_eq!(shown("wl_shm", 2), "wl_shm.invalid_fd (2): no");
        assert_eq!(shown("wl_shm", 7), "wl_shm error 7: no");
        assert_eq!(shown("", 2), "protocol error 2: no");
    }
}
