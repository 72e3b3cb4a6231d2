//! What to do with a pool whose memory is not `Sealed`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use shm_core::verdict::{Unsealed, Verdict};

/// From strict to lax; see the project's design document for the reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Only pools that arrive sealed.
    #[default]
    Enforce,
    /// The compositor adds `F_SEAL_SHRINK` itself where the memory allows it.
    Adopt,
    /// As `Adopt`, but what cannot be sealed is read with pread(2) and never mapped.
    Copy,
    /// What is not sealed is mapped and read under a SIGBUS guard.
    Guard,
}

impl Policy {
    /// All of them, strictest first.
    pub const ALL: [Policy; 4] = [Policy::Enforce, Policy::Adopt, Policy::Copy, Policy::Guard];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Enforce => "enforce",
            Policy::Adopt => "adopt",
            Policy::Copy => "copy",
            Policy::Guard => "guard",
        }
    }

    /// What becomes under this policy of memory that arrives with `verdict`, as
    /// [`examine`](shm_core::verdict::examine) gives it. Nothing is done to the memory.
    pub fn treats(self, verdict: &Verdict) -> Treatment {
        match (self, verdict) {
            (_, Verdict::Sealed) => Treatment::Mapped,
            (_, Verdict::Unusable { .. }) | (Policy::Enforce, _) => Treatment::Refused,
            (Policy::Adopt | Policy::Copy, Verdict::Unsealed { why: Unsealed::ShrinkMissing }) => {
                Treatment::Adopted
            }
            (Policy::Adopt, _) => Treatment::Refused,
            (Policy::Copy, _) => Treatment::Copied,
            (Policy::Guard, _) => Treatment::Guarded,
        }
    }
}

/// What becomes of memory under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// It is sealed, and mapped.
    Mapped,
    /// It is sealed by the compositor, then mapped.
    Adopted,
    /// It is never mapped: each commit is read with pread(2).
    Copied,
    /// It is mapped, and read under the guard.
    Guarded,
    /// The client is ended.
    Refused,
}

impl Treatment {
    /// Its name in output and reports.
    pub fn name(self) -> &'static str {
        match self {
            Treatment::Mapped => "mapped",
            Treatment::Adopted => "adopted",
            Treatment::Copied => "copied",
            Treatment::Guarded => "guarded",
            Treatment::Refused => "refused",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParsePolicyError {
    /// Not one of the four.
    #[error("there is no policy {0:?}: use enforce, adopt, copy or guard")]
    Unknown(String),
    /// Not of the form `PROGRAM=POLICY`.
    #[error("{0:?} names no program: write PROGRAM=POLICY, as in firefox=copy")]
    NoProgram(String),
}

impl FromStr for Policy {
    type Err = ParsePolicyError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|p| p.name() == s).ok_or_else(|| ParsePolicyError::Unknown(s.into()))
    }
}

/// The policy for everybody, and the exceptions by program.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    default: Policy,
    by_program: BTreeMap<String, Policy>,
}

impl Policies {
    /// `default` for every program.
    pub fn new(default: Policy) -> Self {
        Self { default, by_program: BTreeMap::new() }
    }

    /// Makes an exception for the program of that name (as in `/proc/PID/comm`, or the last part
    /// of its path).
    pub fn except(&mut self, program: impl Into<String>, policy: Policy) {
        self.by_program.insert(program.into(), policy);
    }

    /// Reads an exception written as `PROGRAM=POLICY`.
    ///
    /// # Errors
    ///
    /// [`ParsePolicyError`] if it is not of that form.
    pub fn parse_exception(text: &str) -> Result<(String, Policy), ParsePolicyError> {
        match text.rsplit_once('=') {
            Some((program, policy)) if !program.is_empty() => Ok((program.to_owned(), policy.parse()?)),
            _ => Err(ParsePolicyError::NoProgram(text.into())),
        }
    }

    /// The policy for a client that runs `program`.
    pub fn for_program(&self, program: &str) -> Policy {
        self.by_program.get(program).copied().unwrap_or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_win_over_the_default() {
        let mut policies = Policies::new(Policy::Enforce);
        let (program, policy) = Policies::parse_exception("firefox=copy").unwrap();
        policies.except(program, policy);
        assert_eq!(policies.for_program("firefox"), Policy::Copy);
        assert_eq!(policies.for_program("foot"), Policy::Enforce);
    }

    #[test]
    fn malformed_exceptions_are_refused() {
        assert_eq!(Policies::parse_exception("=copy"), Err(ParsePolicyError::NoProgram("=copy".into())));
        assert_eq!(Policies::parse_exception("copy"), Err(ParsePolicyError::NoProgram("copy".into())));
        assert_eq!(
            Policies::parse_exception("a=lax").unwrap_err().to_string(),
            "there is no policy \"lax\": use enforce, adopt, copy or guard"
        );
    }

    /// What is foretold is what [`admit`](crate::buffer::admit) then does.
    #[test]
    fn what_is_foretold_happens() {
        use std::os::fd::{AsFd, OwnedFd};

        use shm_core::memfd;
        use shm_core::seals::Seals;

        use crate::buffer::{Access, admit};

        let memfd = |seals| memfd::create("policy", 4096, seals).unwrap();
        let file: fn(&str) -> OwnedFd = |dir| {
            let file = tempfile::tempfile_in(dir).unwrap();
            file.set_len(4096).unwrap();
            file.into()
        };
        let makers: [&dyn Fn() -> OwnedFd; 8] = [
            &|| memfd(Some(Seals::SHRINK)),
            &|| memfd(Some(Seals::empty())),
            &|| memfd(Some(Seals::GROW | Seals::SEAL)),
            &|| memfd(None),
            &|| file("/dev/shm"),
            &|| file("."),
            &|| memfd::create("policy", 4095, Some(Seals::SHRINK)).unwrap(),
            &|| std::io::pipe().unwrap().0.into(),
        ];
        for (i, make) in makers.iter().enumerate() {
            for policy in Policy::ALL {
                let fd = make();
                let foretold = policy.treats(&shm_core::verdict::examine(fd.as_fd(), 4096).verdict);
                let happened = match admit(fd, 4096, policy) {
                    Ok(admitted) => match admitted.access {
                        Access::Sealed(_) if admitted.facts.adopted => Treatment::Adopted,
                        Access::Sealed(_) => Treatment::Mapped,
                        Access::Guarded(_) => Treatment::Guarded,
                        Access::Copied => Treatment::Copied,
                    },
                    Err(_) => Treatment::Refused,
                };
                assert_eq!(foretold, happened, "memory {i} under {policy}");
            }
        }
    }
}
