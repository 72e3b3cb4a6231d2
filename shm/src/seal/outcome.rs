//! What came of an attempt.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::{Serialize, Serializer};

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Done,
    /// The system call failed with this error.
    Refused(Errno),
    /// The memory was not there (`SIGBUS`, caught).
    Fault,
}

impl From<io::Error> for Outcome {
    /// Every error of a system call has a number; one without would be the library's own, and shows as `errno 0`.
    fn from(error: io::Error) -> Outcome {
        Outcome::Refused(Errno::from_raw_os_error(error.raw_os_error().unwrap_or(0)))
    }
}

impl<T> From<Result<T, Errno>> for Outcome {
    fn from(result: Result<T, Errno>) -> Outcome {
        result.map_or_else(Outcome::Refused, |_| Outcome::Done)
    }
}

impl fmt::Display for Outcome {
    /// `ok`, or the name of the error as errno(3) has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Outcome::Done => "ok",
            Outcome::Refused(Errno::PERM) => "EPERM",
            Outcome::Refused(Errno::BUSY) => "EBUSY",
            Outcome::Refused(Errno::INVAL) => "EINVAL",
            Outcome::Refused(Errno::ACCESS) => "EACCES",
            Outcome::Refused(Errno::NOMEM) => "ENOMEM",
            Outcome::Refused(Errno::NOSPC) => "ENOSPC",
            Outcome::Refused(Errno::OPNOTSUPP) => "EOPNOTSUPP",
            Outcome::Refused(errno) => return write!(f, "errno {}", errno.raw_os_error()),
            Outcome::Fault => "SIGBUS",
        };
        f.write_str(name)
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
