//! Letting go of an fd that somebody else's process may hold up.
//!
//! `close(2)` of a file on FUSE asks its owner to flush it, and waits for the answer: a client that never gives one would
//! stop whoever closes its fd. So such an fd is closed on one of a few helper threads. The kernel frees the number of an
//! fd before it waits, so a stuck close costs a thread and no fd; when every thread is stuck, fds queue up, and
//! [`waiting`] says how many, for somebody to draw a line.
//!
//! A stuck thread comes free when the owner of the file dies, and not before: not even SIGKILL ends it, and a process that
//! has such a thread does not go away. Nobody can do better once the fd has been received, since exiting closes it too.

use std::os::fd::OwnedFd;

use crate::helpers::Helpers;

static CLOSERS: Helpers = Helpers::new("selkie-closer", 16);

/// Closes `fd` on a helper thread; returns at once, whatever the file is.
pub fn close_elsewhere(fd: OwnedFd) {
    CLOSERS.run(move || drop(fd));
}

/// How many fds no thread has begun to close, because all of them are stuck.
pub fn waiting() -> usize {
    CLOSERS.waiting()
}
