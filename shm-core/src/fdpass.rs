//! Passing fds over a Unix socket: `SCM_RIGHTS`, with everything that can go wrong as an error of its own.
//!
//! What arrives is ours from then on, so no error path may lose an fd, and each is close-on-exec from the first moment
//! (`MSG_CMSG_CLOEXEC`). An fd from a stranger can stall whoever closes it: the ones that are refused here are closed
//! [elsewhere](crate::closer).
//!
//! See `unix(7)`, `cmsg(3)`, `recvmsg(2)`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::closer;

/// The most fds that one message can carry (`SCM_MAX_FD` of the kernel).
pub const MAX_FDS: usize = 253;

/// Room for the control data of a message with one fd more than the kernel allows.
const SPACE: usize = cmsg_space!(ScmRights(MAX_FDS + 1));

/// A message with fds.
#[derive(Debug)]
pub struct Received {
    /// How many bytes were received; never 0.
    pub bytes: usize,
    /// The fds that came with them, in the sender's order. Each is close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// Sends `bytes` with `fds` (which stay ours) over a stream socket, and returns how many bytes were taken.
///
/// That may be fewer than all if the socket's buffer is nearly full; the fds went with the first byte, so send the rest
/// without them.
///
/// # Errors
///
/// [`FdError`]; nothing has been sent then. A socket in non-blocking mode whose buffer is full gives [`FdError::Send`] with
/// `EAGAIN`.
pub fn send(stream: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, FdError> {
    match (bytes.len(), fds.len()) {
        (0, _) => return Err(FdError::NoBytes),
        (_, 0) => return Err(FdError::NoFds { bytes: bytes.len() }),
        (_, count) if count > MAX_FDS => return Err(FdError::TooMany { count, max: MAX_FDS }),
        _ => {}
    }
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(FdError::TooMany { count: fds.len(), max: MAX_FDS });
    }
    loop {
        return match sendmsg(&stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(count) => Ok(count),
            Err(Errno::INTR) => continue,
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Err(FdError::PeerGone),
            Err(error) => Err(FdError::Send { source: error.into() }),
        };
    }
}

/// Receives one message of up to `bytes.len()` bytes and at least one, at most `max_fds` fds. With `max_fds` 0 there must
/// be none.
///
/// # Errors
///
/// [`FdError`]. Whatever fds came are closed then; the bytes are lost, and with them the place in the stream: the only
/// sound thing left to do is to end the connection. A socket in non-blocking mode without a message gives
/// [`FdError::Receive`] with `EAGAIN`, and that one may be tried again.
pub fn recv(stream: impl AsFd, bytes: &mut [u8], max_fds: usize) -> Result<Received, FdError> {
    if bytes.is_empty() {
        return Err(FdError::NoBytes);
    }
    // Room for one fd more than is wanted tells "too many" from "something was cut off" in the usual case, and bounds what a
    // stranger can make us open. The kernel may find room for one or two more in the padding.
    let room = cmsg_room(max_fds.min(MAX_FDS) + 1);
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
    let message = loop {
        match recvmsg(&stream, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => break message,
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET | Errno::NOTCONN) => return Err(FdError::PeerGone),
            Err(error) => return Err(FdError::Receive { source: error.into() }),
        }
    };
    let mut fds = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    let refused = if message.flags.contains(ReturnFlags::CTRUNC) {
        FdError::Truncated { count: fds.len() }
    } else if fds.len() > max_fds {
        FdError::TooMany { count: fds.len(), max: max_fds }
    } else if message.bytes == 0 {
        FdError::PeerGone
    } else if fds.is_empty() && max_fds > 0 {
        FdError::NoFds { bytes: message.bytes }
    } else {
        return Ok(Received { bytes: message.bytes, fds });
    };
    fds.into_iter().for_each(closer::close_elsewhere);
    Err(refused)
}

/// The control data of `fds` fds, in bytes.
fn cmsg_room(fds: usize) -> usize {
    // `cmsg_space!` rounds up and adds alignment, so this stays within SPACE for MAX_FDS + 1.
    cmsg_space!(ScmRights(fds))
}

/// Why fds could not be passed.
#[derive(Debug, thiserror::Error)]
pub enum FdError {
    /// Without bytes no fd can travel over a stream.
    #[error("fds need at least one byte to travel with")]
    NoBytes,
    /// There were bytes and no fd.
    #[error("{bytes} bytes without any fd")]
    NoFds {
        /// How many bytes there were.
        bytes: usize,
    },
    /// There were more fds than allowed.
    #[error("{count} fds in one message, where at most {max} are allowed")]
    TooMany {
        /// How many there were.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// The kernel cut off part of the control data (`MSG_CTRUNC`): there were many more fds than allowed, or this process
    /// cannot open any more.
    #[error(
        "the control data was truncated after {count} fds: the sender passed too many, or no more can be opened here"
    )]
    Truncated {
        /// How many fds arrived before that; they have been closed.
        count: usize,
    },
    /// The other end has been closed.
    #[error("the other end of the socket is gone")]
    PeerGone,
    /// `sendmsg` failed.
    #[error("cannot send fds")]
    Send {
        /// What the kernel said.
        source: io::Error,
    },
    /// `recvmsg` failed.
    #[error("cannot receive fds")]
    Receive {
        /// What the kernel said.
        source: io::Error,
    },
}
