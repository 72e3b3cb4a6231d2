//! What a case is: one behaviour, and what must come of it.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::Ended;
use crate::session::Session;

/// One behaviour of a client, and what a compositor must make of it.
///
/// Each has a file of its own that ends in `pub const CASE: Case = Case { ..., ..Case::DEFAULT }`.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// `group.what-is-done`; it stays the same for ever, because results are compared by it.
    pub id: &'static str,
    /// What the client does, in one sentence.
    pub does: &'static str,
    /// What must happen then, in one sentence.
    pub must: &'static str,
    /// Who says so: a protocol's request or event, or a manual page.
    pub reference: &'static str,
    /// Why a person should care, in one sentence.
    pub matters: &'static str,
    /// Whom it is known to end or to freeze, if anybody. Such a case is not run in a compositor that somebody may be
    /// sitting in.
    pub danger: Option<&'static str>,
    /// How long it may take; it is cut off then, and counts as a hang.
    pub limit: Duration,
    /// Does it.
    pub run: fn(&Session) -> Outcome,
}

impl Case {
    /// What is the same for most. The other fields have to be given.
    pub const DEFAULT: Case = Case {
        id: "",
        does: "",
        must: "",
        reference: "",
        matters: "",
        danger: None,
        limit: Duration::from_secs(15),
        run: |_| Err(Stop::Skip("there is nothing to run".to_owned())),
    };

    /// The part of the id before the dot.
    pub fn group(&self) -> &'static str {
        self.id.split_once('.').map_or("", |(group, _)| group)
    }
}

/// What a case comes to, seen from the client: what was seen, in a few words; or why it stopped.
pub type Outcome = Result<String, Stop>;

/// Why a case did not get to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The compositor did something else.
    Fail {
        /// What it should have done.
        expected: String,
        /// What it did.
        got: String,
    },
    /// It cannot be run here: what is missing.
    Skip(String),
    /// The compositor did not do in time what is named.
    Hang(String),
    /// The connection ended where the case did not expect it.
    Ended(Ended),
}

impl Stop {
    /// The compositor did something else than it should.
    pub fn fail(expected: impl Display, got: impl Display) -> Stop {
        Stop::Fail { expected: expected.to_string(), got: got.to_string() }
    }

    /// This machine, or this compositor, lacks something that the case needs.
    pub fn skip(missing: impl Display) -> Stop {
        Stop::Skip(missing.to_string())
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Stop {
        Stop::Ended(ended)
    }
}

/// What comes of a case, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// As it must be.
    Pass {
        /// What was seen, where there is more than one right way.
        seen: String,
    },
    /// The compositor goes on, but did something else.
    Fail {
        /// What it should have done.
        expected: String,
        /// What it did.
        got: String,
    },
    /// The compositor is gone.
    Crash {
        /// How it ended, as far as is known.
        how: String,
    },
    /// The compositor, or what the case waited for, does not answer.
    Hang {
        /// What was waited for.
        waiting_for: String,
    },
    /// The compositor has kept something of a client that is gone.
    Leak {
        /// What.
        kept: String,
    },
    /// It was not run.
    Skip {
        /// What is missing.
        missing: String,
    },
}

impl Verdict {
    /// The verdict in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Pass { .. } => "pass",
            Verdict::Fail { .. } => "fail",
            Verdict::Crash { .. } => "crash",
            Verdict::Hang { .. } => "hang",
            Verdict::Leak { .. } => "leak",
            Verdict::Skip { .. } => "skip",
        }
    }

    /// Whether the compositor is at fault.
    pub fn is_bad(&self) -> bool {
        !matches!(self, Verdict::Pass { .. } | Verdict::Skip { .. })
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass { seen } => f.write_str(seen),
            Verdict::Fail { expected, got } => write!(f, "expected {expected}; got {got}"),
            Verdict::Crash { how: text }
            | Verdict::Hang { waiting_for: text }
            | Verdict::Leak { kept: text }
            | Verdict::Skip { missing: text } => f.write_str(text),
        }
    }
}
