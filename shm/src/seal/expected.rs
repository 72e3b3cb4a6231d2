//! What the manual says that seals forbid: `fcntl(2)`, "File Sealing", and `memfd_create(2)`.
//!
//! | | forbids | with |
//! |---|---|---|
//! | seal | adding seals | `EPERM` |
//! | shrink | making the file smaller | `EPERM` |
//! | grow | making it larger, by a write past its end too | `EPERM` |
//! | write | every write, holes, writable mappings; cannot be added while there are such | `EPERM`, `EBUSY` |
//! | future-write (Linux 5.1) | the same, but for writable mappings that are there | `EPERM` |
//! | exec (Linux 6.3) | changing the executable bits of the mode | `EPERM` |

use std::fmt;

use rustix::io::Errno;
use serde::{Serialize, Serializer};
use shm_core::seals::Seals;

use super::{Operation, Outcome, TryError};

/// The version of a Linux kernel, as far as seals go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// The 6 of 6.18.
    pub major: u32,
    /// The 18 of 6.18.
    pub minor: u32,
}

impl Kernel {
    /// That of this machine.
    ///
    /// # Errors
    ///
    /// [`TryError::Kernel`] if `/proc` does not say.
    pub fn running() -> Result<Kernel, TryError> {
        let text = std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_err(|error| TryError::Kernel { why: error.to_string() })?;
        Kernel::parse(&text)
            .ok_or_else(|| TryError::Kernel { why: format!("{:?} is no version", text.trim()) })
    }

    /// Reads `6.18.44-something`.
    fn parse(text: &str) -> Option<Kernel> {
        let (major, rest) = text.split_once('.')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Some(Kernel { major: major.parse().ok()?, minor: rest[..digits].parse().ok()? })
    }

    fn from(self, major: u32, minor: u32) -> bool {
        self >= Kernel { major, minor }
    }

    /// The seals that it knows.
    fn seals(self) -> Seals {
        let mut known = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE;
        if self.from(5, 1) {
            known = known | Seals::FUTURE_WRITE;
        }
        if self.from(6, 3) {
            known = known | Seals::EXEC;
        }
        known
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for Kernel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What should come of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// This.
    Only(Outcome),
    /// One of these: it has changed, and stable kernels have taken the change over at some time.
    Either(Outcome, Outcome),
}

impl Expected {
    /// Whether that is what should come of it.
    pub fn allows(self, got: Outcome) -> bool {
        match self {
            Expected::Only(only) => got == only,
            Expected::Either(one, other) => got == one || got == other,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Only(only) => only.fmt(f),
            Expected::Either(one, other) => write!(f, "{one} or {other}"),
        }
    }
}

impl Serialize for Expected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the expectation depends on.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// The kernel.
    pub kernel: Kernel,
    /// The seals that a new memfd has before any is added: none, or exec where `vm.memfd_noexec` says so.
    pub initial: Seals,
    /// The seals that are added.
    pub asked: Seals,
}

/// What should come of an operation on a memfd (not executable, and of ordinary pages), and because of which seals it is refused.
///
/// All but [`Operation::Seal`] take for granted that the seals could be added.
pub fn expected(operation: Operation, given: &Given) -> (Expected, Seals) {
    let seals = given.initial | given.asked;
    // Those of the seals that forbid it, with EPERM.
    let forbidden_by = |forbidding: Seals| {
        let because = seals.difference(seals.difference(forbidding));
        let outcome = if because.is_empty() { Outcome::Done } else { Outcome::Refused(Errno::PERM) };
        (Expected::Only(outcome), because)
    };
    match operation {
        Operation::Seal => {
            let unknown = given.asked.difference(given.kernel.seals());
            let outcome = if unknown.is_empty() { Outcome::Done } else { Outcome::Refused(Errno::INVAL) };
            (Expected::Only(outcome), unknown)
        }
        Operation::Shrink => forbidden_by(Seals::SHRINK),
        Operation::Grow => forbidden_by(Seals::GROW),
        Operation::Write | Operation::MapWritable | Operation::PunchHole => {
            forbidden_by(Seals::WRITE | Seals::FUTURE_WRITE)
        }
        Operation::Append => forbidden_by(Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE),
        Operation::MapReadOnly => map_read_only(seals, given.kernel),
        Operation::SealWhileMapped if given.asked.contains(Seals::WRITE) => {
            (Expected::Only(Outcome::Refused(Errno::BUSY)), Seals::WRITE)
        }
        // With write the seals were refused, all of them; future-write lets the old mapping be.
        Operation::SealWhileMapped | Operation::WriteOldMapping => {
            (Expected::Only(Outcome::Done), Seals::empty())
        }
        Operation::AddSeal => forbidden_by(Seals::SEAL),
        Operation::MakeExecutable => forbidden_by(Seals::EXEC),
    }
}

/// A read-only mapping through a writable fd could be made writable later with mprotect(2), and write-sealed memory refused it
/// for that. Since Linux 6.7 it is allowed, and cannot be made writable later. That was lost in 6.12, and came back in 6.14;
/// stable kernels of all of these have taken both over at some time.
fn map_read_only(seals: Seals, kernel: Kernel) -> (Expected, Seals) {
    if !seals.contains(Seals::WRITE) {
        return (Expected::Only(Outcome::Done), Seals::empty());
    }
    let allowed = kernel.from(6, 14) || (kernel.from(6, 7) && !kernel.from(6, 12));
    if allowed {
        (Expected::Only(Outcome::Done), Seals::empty())
    } else {
        (Expected::Either(Outcome::Done, Outcome::Refused(Errno::PERM)), Seals::WRITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERM: Outcome = Outcome::Refused(Errno::PERM);

    fn on(kernel: &str, asked: Seals, operation: Operation) -> Expected {
        let kernel = Kernel::parse(kernel).unwrap();
        expected(operation, &Given { kernel, initial: Seals::empty(), asked }).0
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(Kernel::parse("6.18.44-fc\n"), Some(Kernel { major: 6, minor: 18 }));
        assert_eq!(Kernel::parse("7.0-rc1"), Some(Kernel { major: 7, minor: 0 }));
        for bad in ["", "6", "six.1", "6.x"] {
            assert_eq!(Kernel::parse(bad), None, "{bad:?}");
        }
        assert!(Kernel::parse("5.15").unwrap() < Kernel::parse("6.1").unwrap());
    }

    #[test]
    fn seals_came_one_by_one() {
        let unknown = Expected::Only(Outcome::Refused(Errno::INVAL));
        let done = Expected::Only(Outcome::Done);
        assert_eq!(on("5.0.0", Seals::FUTURE_WRITE, Operation::Seal), unknown);
        assert_eq!(on("5.1.0", Seals::FUTURE_WRITE, Operation::Seal), done);
        assert_eq!(on("6.2.9", Seals::EXEC, Operation::Seal), unknown);
        assert_eq!(on("6.3.0", Seals::EXEC, Operation::Seal), done);
        assert_eq!(on("6.18.0", Seals::from_bits_retain(0x40), Operation::Seal), unknown);
    }

    #[test]
    fn reading_write_sealed_memory_has_a_history() {
        let either = Expected::Either(Outcome::Done, PERM);
        for (kernel, expected) in [
            ("6.1.0", either),
            ("6.6.99", either),
            ("6.7.0", Expected::Only(Outcome::Done)),
            ("6.11.0", Expected::Only(Outcome::Done)),
            ("6.12.0", either),
            ("6.13.0", either),
            ("6.14.0", Expected::Only(Outcome::Done)),
            ("7.0.0", Expected::Only(Outcome::Done)),
        ] {
            assert_eq!(on(kernel, Seals::WRITE, Operation::MapReadOnly), expected, "{kernel}");
            let future = on(kernel, Seals::FUTURE_WRITE, Operation::MapReadOnly);
            assert_eq!(future, Expected::Only(Outcome::Done), "{kernel}");
        }
        assert!(either.allows(PERM) && either.allows(Outcome::Done) && !either.allows(Outcome::Fault));
        assert_eq!(either.to_string(), "ok or EPERM");
    }
}
