//! Getting to the compositor, and hearing its last words.
//!
//! A compositor that ends a client sends one `wl_display.error` and closes the socket. If the client is
//! sending at that moment, its write fails first, and the Wayland library reports a broken pipe and
//! never reads the reason that waits in the socket. So a second handle on the socket is kept, and
//! the reason is read from there.

use std::env;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use wayland_client::Connection;

use crate::error::{ClientError, ProtocolError};

/// A connection, and a second handle on its socket.
pub struct Line {
    pub connection: Connection,
    tap: OwnedFd,
}

impl Line {
    /// Connects to a socket named or found as [`crate::Config::display`] says.
    pub fn open(display: Option<&str>) -> Result<Line, ConnectError> {
        let connection = match display {
            None if env::var_os("WAYLAND_SOCKET").is_some() => {
                Connection::connect_to_env().map_err(|source| ConnectError::Environment { source })?
            }
            display => {
                let path = socket_path(display)?;
                let stream = UnixStream::connect(&path)
                    .map_err(|source| ConnectError::Unreachable { path, source })?;
                Connection::from_socket(stream).map_err(|source| ConnectError::Environment { source })?
            }
        };
        let tap = connection.as_fd().try_clone_to_owned().map_err(|source| ConnectError::Tap { source })?;
        Ok(Line { connection, tap })
    }

    /// Why the connection ended; `error` is what the library said.
    pub fn post_mortem(&self, error: io::Error) -> ClientError {
        if let Some(error) = self.connection.protocol_error() {
            let interface = &error.object_interface;
            return ClientError::Protocol(ProtocolError::new(interface, error.code, &error.message));
        }
        match self.last_words() {
            Some(error) => ClientError::Protocol(error),
            None => ClientError::Lost { source: error },
        }
    }

    /// Looks for a `wl_display.error` in what is left unread in the socket.
    fn last_words(&self) -> Option<ProtocolError> {
        let mut socket = UnixStream::from(self.tap.try_clone().ok()?);
        socket.set_nonblocking(true).ok()?;
        let mut left = Vec::new();
        // The end is an error if the compositor closed before it had read everything of ours; what came before that
        // is read nonetheless.
        let _ = socket.by_ref().take(1 << 20).read_to_end(&mut left);
        let words: Vec<u32> = left.as_chunks().0.iter().map(|b| u32::from_ne_bytes(*b)).collect();
        // The library may have read the front of a message already, so look at every word.
        (0..words.len()).find_map(|at| error_message(words.get(at..)?))
    }
}

/// Parses a `wl_display.error`: object 1, opcode 0; the object it is about, code, length, text. See "Wire format" in the Wayland
/// documentation.
fn error_message(words: &[u32]) -> Option<ProtocolError> {
    let [1, head, _object, code, length, text @ ..] = words else { return None };
    let (size, opcode, length) = (head >> 16, head & 0xffff, *length as usize);
    if opcode != 0 || length == 0 || size as usize != 20 + length.next_multiple_of(4) {
        return None;
    }
    let bytes: Vec<u8> = text.iter().take(length.div_ceil(4)).flat_map(|w| w.to_ne_bytes()).collect();
    let (nul, message) = bytes.get(..length)?.split_last()?;
    let message = std::str::from_utf8(message).ok().filter(|_| *nul == 0)?;
    // Which interface it is about only the library's object table knows; the codes below are the ones that
    // a compositor ends a running client with, and their meaning does not depend on it.
    Some(ProtocolError::new("", *code, message))
}

fn socket_path(display: Option<&str>) -> Result<PathBuf, ConnectError> {
    let name = match display {
        Some(name) => PathBuf::from(name),
        None => env::var_os("WAYLAND_DISPLAY")
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            .ok_or(ConnectError::NoDisplay)?,
    };
    if name.is_absolute() {
        return Ok(name);
    }
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    Ok(runtime.ok_or(ConnectError::NoRuntimeDir)?.join(name))
}

/// Why no compositor could be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing says which compositor.
    #[error("WAYLAND_DISPLAY is not set: start a compositor, or name one with --display")]
    NoDisplay,
    /// Nothing says where its socket is.
    #[error("XDG_RUNTIME_DIR is not set to an absolute path, so there is no place to find a compositor in")]
    NoRuntimeDir,
    /// Nobody listens there.
    #[error("cannot reach a compositor at {}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket was found, but not usable.
    #[error("cannot use the connection that the environment gives")]
    Environment {
        /// What the library said.
        source: wayland_client::ConnectError,
    },
    /// No second handle on the socket.
    #[error("cannot duplicate the connection's socket")]
    Tap {
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn error_bytes(code: u32, text: &str) -> Vec<u8> {
        let length = text.len() as u32 + 1;
        let size = 20 + length.next_multiple_of(4);
        let mut bytes: Vec<u8> =
            [1, size << 16, 7, code, length].iter().flat_map(|w: &u32| w.to_ne_bytes()).collect();
        bytes.extend_from_slice(text.as_bytes());
        bytes.resize(size as usize, 0);
        bytes
    }

    #[test]
    fn the_reason_is_read_although_our_own_write_failed_first() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let tap = ours.try_clone().unwrap().into();
        let line = Line { connection: Connection::from_socket(ours).unwrap(), tap };
        // Half of another message, and an event for somebody else, come first.
        let other: Vec<u8> = [5, 9, 3, 12 << 16, 1].iter().flat_map(|w: &u32| w.to_ne_bytes()).collect();
        theirs.write_all(&other).unwrap();
        theirs.write_all(&error_bytes(2, "memory shrank")).unwrap();
        drop(theirs);
        let _ =
            line.connection.display().get_registry(&line.connection.new_event_queue::<Nobody>().handle(), ());
        let broken = line.connection.flush().unwrap_err();
        assert!(line.connection.protocol_error().is_none());
        match line.post_mortem(io::Error::other(broken)) {
            ClientError::Protocol(error) => assert_eq!((error.code, &*error.message), (2, "memory shrank")),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn silence_is_a_lost_connection() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let tap = ours.try_clone().unwrap().into();
        let line = Line { connection: Connection::from_socket(ours).unwrap(), tap };
        drop(theirs);
        assert!(matches!(line.post_mortem(io::ErrorKind::BrokenPipe.into()), ClientError::Lost { .. }));
    }

    #[test]
    fn nobody_there_is_said_with_the_path() {
        let error = Line::open(Some("/nonexistent/wayland-9")).err().unwrap();
        assert_eq!(error.to_string(), "cannot reach a compositor at /nonexistent/wayland-9");
    }

    struct Nobody;

    impl wayland_client::Dispatch<wayland_client::protocol::wl_registry::WlRegistry, ()> for Nobody {
        fn event(
            _: &mut Self,
            _: &wayland_client::protocol::wl_registry::WlRegistry,
            _: wayland_client::protocol::wl_registry::Event,
            _: &(),
            _: &Connection,
            _: &wayland_client::QueueHandle<Self>,
        ) {
        }
    }
}
