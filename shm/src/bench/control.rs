//! What the two processes say to each other beside what is measured: a Unix socket that keeps messages apart, and by
//! whose end each learns of the other's.
//!
//! The peer has it as its standard input: that is the one fd that can be given to a program without `unsafe`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shm_core::fdpass::{self, FdError};

use super::message::{Look, Size};
use super::transport::Transport;

/// The longest message: a sentence about an error, or a path.
const LONGEST: usize = 16 << 10;

/// What the peer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Take your end of this transport; the fds come next. Answer: [`Answer::Ready`].
    Join {
        transport: Transport,
        size: Size,
        /// The CPU to run on.
        cpu: usize,
        /// Where the other end is to be found, if fds are not enough.
        place: String,
        /// How many fds come.
        fds: usize,
    },
    /// Send back so many messages, each under the number that it came with. Answers: [`Answer::Ready`], [`Answer::Done`].
    Echo { count: u64, look: Look },
    /// Receive so many messages, numbered from 0. Answers: [`Answer::Ready`], [`Answer::Done`].
    Take { count: u64, look: Look },
}

/// What the peer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// From now on messages are received.
    Ready,
    /// All is done.
    Done {
        /// When it was, in nanoseconds of [`now`].
        at: u64,
    },
    /// It could not be done.
    Failed(String),
}

/// The time in nanoseconds on a clock that both processes share (`CLOCK_MONOTONIC`).
pub(super) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.cast_unsigned().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.cast_unsigned())
}

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    /// Both ends.
    ///
    /// # Errors
    ///
    /// What `socketpair` says.
    pub(super) fn pair() -> io::Result<(Control, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Control(ours), theirs))
    }

    /// The end that was inherited as standard input.
    ///
    /// # Errors
    ///
    /// [`ControlError::NoPeer`] if that is no such socket: the command is not for people.
    pub(super) fn inherited() -> Result<Control, ControlError> {
        let stdin = io::stdin();
        match rustix::net::sockopt::socket_type(&stdin) {
            Ok(SocketType::SEQPACKET) => {}
            _ => return Err(ControlError::NoPeer),
        }
        let fd = stdin.as_fd().try_clone_to_owned().map_err(|source| ControlError::Socket { source })?;
        Ok(Control(fd))
    }

    /// To notice when the other process ends.
    ///
    /// # Errors
    ///
    /// `EMFILE` and the like.
    pub(super) fn watch(&self) -> io::Result<Watch> {
        Ok(Watch(self.0.try_clone()?))
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// [`ControlError::Gone`], [`ControlError::Send`].
    pub(super) fn say(&self, what: &impl Serialize) -> Result<(), ControlError> {
        let text = serde_json::to_vec(what).map_err(|source| ControlError::Text { source })?;
        match rustix::io::retry_on_intr(|| rustix::net::send(&self.0, &text, SendFlags::NOSIGNAL)) {
            Ok(_) => Ok(()),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(ControlError::Gone),
            Err(errno) => Err(ControlError::Send { source: errno.into() }),
        }
    }

    /// Passes fds, if there are any.
    ///
    /// # Errors
    ///
    /// [`ControlError::Gone`], [`ControlError::Fds`].
    pub(super) fn pass(&self, fds: &[OwnedFd]) -> Result<(), ControlError> {
        if !fds.is_empty() {
            let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            fdpass::send(&self.0, &[0], &fds).map_err(ControlError::of)?;
        }
        Ok(())
    }

    /// Waits for the next thing that is said.
    ///
    /// # Errors
    ///
    /// [`ControlError::Gone`] if the other process has ended, or another [`ControlError`].
    pub(super) fn hear<T: DeserializeOwned>(&self) -> Result<T, ControlError> {
        let mut text = vec![0; LONGEST];
        let received = fdpass::recv(&self.0, &mut text, 0).map_err(ControlError::of)?;
        serde_json::from_slice(&text[..received.bytes]).map_err(|source| ControlError::Text { source })
    }

    /// Waits for so many fds.
    ///
    /// # Errors
    ///
    /// As [`Control::hear`].
    pub(super) fn take(&self, count: usize) -> Result<Vec<OwnedFd>, ControlError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        Ok(fdpass::recv(&self.0, &mut [0], count).map_err(ControlError::of)?.fds)
    }
}

/// Tells whether the other process is there.
#[derive(Debug)]
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Whether the other process has closed its end: it has ended, or is about to.
    pub(super) fn gone(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Where poll cannot be called nothing is known; the next call may tell.
        poll(&mut fds, Some(&at_once)).is_ok_and(|count| count > 0)
            && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}

/// Why the processes could not talk.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The command was not started by `selkie shm bench`.
    #[error("this command is the other process of `selkie shm bench`, which starts it: run that")]
    NoPeer,
    /// The other process has ended.
    #[error("the other process has ended")]
    Gone,
    /// Something could not be said.
    #[error("cannot tell the other process what to do")]
    Send {
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket cannot be used.
    #[error("cannot listen to the other process")]
    Socket {
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing came, or not what should; or an fd could not be passed.
    #[error("cannot talk with the other process")]
    Fds {
        /// What was wrong.
        source: FdError,
    },
    /// What was said is not what these processes say.
    #[error("the other process says what this one does not understand: are they the same selkie?")]
    Text {
        /// Where it stops making sense.
        source: serde_json::Error,
    },
}

impl ControlError {
    fn of(error: FdError) -> ControlError {
        match error {
            FdError::PeerGone => ControlError::Gone,
            source => ControlError::Fds { source },
        }
    }
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let (ours, theirs) = Control::pair().unwrap();
        let theirs = Control(theirs);
        let order = Order::Take { count: 3, look: Look::All };
        ours.say(&order).unwrap();
        ours.pass(&[]).unwrap();
        ours.pass(&[io::stdin().as_fd().try_clone_to_owned().unwrap()]).unwrap();
        theirs.say(&Answer::Ready).unwrap();
        assert_eq!(theirs.hear::<Order>().unwrap(), order);
        assert_eq!(theirs.take(0).unwrap().len(), 0);
        assert_eq!(theirs.take(1).unwrap().len(), 1);
        assert_eq!(ours.hear::<Answer>().unwrap(), Answer::Ready);
    }

    #[test]
    fn the_end_of_either_is_noticed() {
        let (ours, theirs) = Control::pair().unwrap();
        let watch = ours.watch().unwrap();
        assert!(!watch.gone());
        Control(theirs).say(&Answer::Failed("why".to_owned())).unwrap();
        assert!(watch.gone());
        // What was said last can still be heard.
        assert_eq!(ours.hear::<Answer>().unwrap(), Answer::Failed("why".to_owned()));
        assert!(matches!(ours.hear::<Answer>(), Err(ControlError::Gone)));
        assert!(matches!(ours.say(&Answer::Ready), Err(ControlError::Gone)));
    }
}
