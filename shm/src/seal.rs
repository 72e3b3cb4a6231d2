//! What seals do: a memfd gets some, and everything that they may forbid is tried on it.
//!
//! What should come of each attempt is written down in [`expected`], after the manual pages; what does come of it is what the
//! kernel says, here and now. A difference is a finding: about the kernel, or about what this crate believes of it.

mod attempts;
pub mod expected;
mod outcome;
mod table;

use std::fmt;
use std::io;

use serde::Serialize;
use shm_core::memfd::CreateError;
use shm_core::seals::{SealError, Seals};

pub use expected::{Expected, Kernel};
pub use outcome::Outcome;
pub use table::matrix;

/// What can be tried on a memfd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Add the chosen seals to a memfd that nobody has mapped.
    Seal,
    /// Make the file smaller.
    Shrink,
    /// Make the file larger.
    Grow,
    /// Write within the file.
    Write,
    /// Write beyond its end.
    Append,
    /// Make a new mapping that can be written.
    MapWritable,
    /// Make a new mapping that can only be read, through an fd that could write.
    MapReadOnly,
    /// Add the chosen seals while a writable mapping exists.
    SealWhileMapped,
    /// Write through that mapping afterwards.
    WriteOldMapping,
    /// Give a page back; it reads as zeros then.
    PunchHole,
    /// Add a seal to those.
    AddSeal,
    /// Make the file executable.
    MakeExecutable,
}

impl Operation {
    /// All of them, in the order in which they are tried and shown.
    pub const ALL: [Operation; 12] = [
        Operation::Seal,
        Operation::Shrink,
        Operation::Grow,
        Operation::Write,
        Operation::Append,
        Operation::MapWritable,
        Operation::MapReadOnly,
        Operation::SealWhileMapped,
        Operation::WriteOldMapping,
        Operation::PunchHole,
        Operation::AddSeal,
        Operation::MakeExecutable,
    ];

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Seal => "add these seals",
            Operation::Shrink => "shrink",
            Operation::Grow => "grow",
            Operation::Write => "write",
            Operation::Append => "write past the end",
            Operation::MapWritable => "new writable mapping",
            Operation::MapReadOnly => "new read-only mapping",
            Operation::SealWhileMapped => "add these seals while a writable mapping exists",
            Operation::WriteOldMapping => "write through that old mapping",
            Operation::PunchHole => "punch a hole",
            Operation::AddSeal => "add another seal",
            Operation::MakeExecutable => "chmod +x",
        }
    }

    /// The system call that tries it.
    pub const fn call(self) -> &'static str {
        match self {
            Operation::Seal | Operation::SealWhileMapped => "fcntl(F_ADD_SEALS)",
            Operation::Shrink | Operation::Grow => "ftruncate",
            Operation::Write | Operation::Append => "pwrite",
            Operation::MapWritable => "mmap(PROT_WRITE, MAP_SHARED)",
            Operation::MapReadOnly => "mmap(PROT_READ, MAP_SHARED)",
            Operation::WriteOldMapping => "a store",
            Operation::PunchHole => "fallocate(PUNCH_HOLE)",
            Operation::AddSeal => "fcntl(F_ADD_SEALS, F_SEAL_SEAL)",
            Operation::MakeExecutable => "fchmod(0700)",
        }
    }
}

/// What was tried with one set of seals.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The kernel's version.
    pub kernel: Kernel,
    /// The seals that were asked for.
    #[serde(serialize_with = "as_text")]
    pub asked: Seals,
    /// The seals that the memory had afterwards. More than those if the kernel gives some to all memfds
    /// (`vm.memfd_noexec`).
    #[serde(serialize_with = "as_text")]
    pub seals: Seals,
    /// The attempts, in the order of [`Operation::ALL`].
    pub attempts: Vec<Attempt>,
}

/// One operation, tried.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// Which.
    #[serde(serialize_with = "as_name")]
    pub operation: Operation,
    /// The system call that tries it.
    pub call: &'static str,
    /// What the manual says; `None` if it does not apply, as the seals could not be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// The seals because of which it is refused.
    #[serde(serialize_with = "as_text", skip_serializing_if = "is_empty")]
    pub because: Seals,
    /// What the kernel said; `None` if it was not tried, as the seals could not be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Outcome>,
    /// Whether the one is the other.
    pub agrees: bool,
}

impl Report {
    /// Whether every attempt came out as expected.
    pub fn agrees(&self) -> bool {
        self.attempts.iter().all(|attempt| attempt.agrees)
    }
}

/// Tries everything on memory with these seals.
///
/// # Errors
///
/// [`TryError`] if there is no memory to try it on; what the kernel forbids because of a seal is no error.
pub fn try_all(seals: Seals) -> Result<Report, TryError> {
    judge(seals, Kernel::running()?, expected::expected)
}

/// Tries everything with every set of seals that have a name, one after the other: 64 sets.
///
/// # Errors
///
/// As [`try_all`].
pub fn try_all_sets() -> Result<Vec<Report>, TryError> {
    (0..1 << 6).map(|bits| try_all(Seals::from_bits_retain(bits))).collect()
}

/// What should come of an operation, and because of which seals.
type Rule = fn(Operation, &expected::Given) -> (Expected, Seals);

/// [`try_all`], judged by a rule.
fn judge(asked: Seals, kernel: Kernel, rule: Rule) -> Result<Report, TryError> {
    let initial = Seals::of(&attempts::fresh()?).map_err(|source| TryError::Seals { source })?;
    let given = expected::Given { kernel, initial, asked };
    let seal = attempts::attempt(Operation::Seal, asked)?;
    let sealed = seal == Outcome::Done;
    let mut attempts = Vec::new();
    for operation in Operation::ALL {
        let got = match operation {
            Operation::Seal => Some(seal),
            // Tried all the same they would show what unsealed memory does.
            _ if !sealed => None,
            _ => Some(attempts::attempt(operation, asked)?),
        };
        let (expected, because) = rule(operation, &given);
        let expected = Some(expected).filter(|_| got.is_some());
        let agrees = expected.zip(got).is_none_or(|(expected, got)| expected.allows(got));
        attempts.push(Attempt { operation, call: operation.call(), expected, because, got, agrees });
    }
    let seals = if sealed { initial | asked } else { initial };
    Ok(Report { kernel, asked, seals, attempts })
}

fn as_text<S: serde::Serializer>(text: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(text)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_empty(seals: &Seals) -> bool {
    seals.is_empty()
}

fn as_name<S: serde::Serializer>(operation: &Operation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(operation.name())
}

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    /// There is no memfd to try it on.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The memfd could not be prepared.
    #[error("cannot take the executable bits from a new memfd")]
    Mode {
        /// What the kernel said.
        source: io::Error,
    },
    /// The memfd does not say which seals it has.
    #[error("cannot read the seals of a new memfd")]
    Seals {
        /// What the kernel said.
        source: SealError,
    },
    /// The chosen seals could be added to one memfd and not to the next.
    #[error("the seals could be added to one new memfd, and not to another")]
    Sealing {
        /// What the kernel said.
        source: SealError,
    },
    /// The memory could not be mapped before it was sealed.
    #[error("cannot map a new memfd")]
    Map {
        /// What the kernel said.
        source: shm_core::own::OwnError,
    },
    /// The version of the kernel is not known.
    #[error("cannot read the version of the kernel from /proc/sys/kernel/osrelease: {why}")]
    Kernel {
        /// What is wrong.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_seals_does_what_the_manual_says() {
        let reports = try_all_sets().unwrap();
        assert_eq!(reports.len(), 64);
        for report in reports {
            assert!(report.agrees(), "{report}");
            assert_eq!(report.attempts.len(), Operation::ALL.len());
        }
    }

    #[test]
    fn a_wrong_expectation_is_reported() {
        let rule: Rule = |operation, given| match operation {
            Operation::Grow => (Expected::Only(Outcome::Refused(rustix::io::Errno::PERM)), Seals::SHRINK),
            _ => expected::expected(operation, given),
        };
        let report = judge(Seals::SHRINK, Kernel::running().unwrap(), rule).unwrap();
        assert!(!report.agrees());
        let differ: Vec<_> = report.attempts.iter().filter(|attempt| !attempt.agrees).collect();
        assert_eq!(differ.len(), 1);
        assert_eq!(differ[0].operation, Operation::Grow);
        let text = report.to_string();
        let row = text.lines().find(|line| line.contains("ftruncate") && line.contains("grow")).unwrap();
        assert!(row.contains("EPERM") && row.contains("ok  <- differs"), "{text}");
        assert!(text.contains("1 of 12 attempts differs from the manual"), "{text}");
    }

    #[test]
    fn seals_that_the_kernel_does_not_know_are_refused_and_nothing_else_is_tried() {
        let report = try_all(Seals::from_bits_retain(1 << 20) | Seals::SHRINK).unwrap();
        assert!(report.agrees(), "{report}");
        let [seal, rest @ ..] = report.attempts.as_slice() else { panic!("nothing tried") };
        assert_eq!(seal.got, Some(Outcome::Refused(rustix::io::Errno::INVAL)));
        assert!(rest.iter().all(|attempt| attempt.got.is_none() && attempt.expected.is_none()));
    }
}
