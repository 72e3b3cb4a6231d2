//! What to do with a pool whose memory is not `Sealed`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

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
}
