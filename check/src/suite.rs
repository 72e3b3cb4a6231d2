//! Runs cases against a compositor, one after the other, and judges each from outside as well: is the compositor still
//! there, does it answer another client, has it kept anything of the one that is gone?

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::case::{Case, Stop, Verdict};
use crate::expect::unexpected;
use crate::footprint::Footprint;
use crate::single::{Ran, RunError, Runner};
use crate::target::{Target, TargetError};

/// How often it is looked whether a compositor has let go.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a compositor may keep what a client that is gone has shared, in seconds. Some fade windows out.
const LET_GO_SECONDS: u64 = 4;
/// How long a compositor that has closed a connection is given to be gone altogether: the kernel may be writing its memory
/// to a file.
const DYING_SECONDS: u64 = 2;

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Result {
    /// The case.
    pub id: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took, in milliseconds, with looking after it.
    pub ms: u64,
}

/// What came of all cases in one compositor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The compositor, as it was given.
    pub compositor: String,
    /// What it says of its version, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// In the order in which they were run.
    pub results: Vec<Result>,
}

impl Report {
    /// How many cases have a verdict, in one word (see [`Verdict::word`]).
    pub fn count(&self, word: &str) -> usize {
        self.results.iter().filter(|result| result.verdict.word() == word).count()
    }

    /// Whether the compositor is at fault anywhere.
    pub fn is_bad(&self) -> bool {
        self.results.iter().any(|result| result.verdict.is_bad())
    }
}

/// What keeps cases from being run at all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The compositor cannot be started.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A case's process does not do as it should.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The compositor that somebody uses is gone, and it is not ours to start again.
    #[error("{compositor} is gone ({how}) after case {id}")]
    Gone {
        /// The compositor.
        compositor: String,
        /// The case.
        id: &'static str,
        /// How it ended, as far as that is known.
        how: String,
    },
}

/// How cases are run.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Which, in this order.
    pub cases: Vec<&'static Case>,
    /// How a process for one is started.
    pub runner: Runner,
    /// Run those that are known to end some compositors, even in one that was not started for the purpose.
    pub dangerous: bool,
}

impl Suite {
    /// Runs all of them; `begun` is told of each before it is run, and `done` when it has ended.
    ///
    /// Gives what is known, and why that is not all: a [`SuiteError`], if it could not go on.
    pub fn run(
        &self,
        target: &mut Target,
        mut begun: impl FnMut(&Case),
        mut done: impl FnMut(&Result),
    ) -> (Report, std::result::Result<(), SuiteError>) {
        let mut report = Report {
            compositor: target.name().to_owned(),
            version: target.version().map(str::to_owned),
            results: Vec::new(),
        };
        for case in &self.cases {
            begun(case);
            let start = Instant::now();
            let verdict = match self.judge(case, target) {
                Ok(verdict) => verdict,
                Err(error) => return (report, Err(error)),
            };
            let gone = matches!(verdict, Verdict::Crash { .. } | Verdict::Hang { .. } | Verdict::Leak { .. });
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            let result = Result { id: case.id.to_owned(), verdict, ms };
            done(&result);
            report.results.push(result);
            if gone && let Err(error) = self.go_on(case, target) {
                return (report, Err(error));
            }
        }
        (report, Ok(()))
    }

    /// After a case that has done the compositor harm: starts it again, or gives up if it is gone and not ours.
    fn go_on(&self, case: &Case, target: &mut Target) -> std::result::Result<(), SuiteError> {
        if target.is_private() {
            return Ok(target.restart()?);
        }
        match target.ended() {
            Some(how) => Err(SuiteError::Gone { compositor: target.name().to_owned(), id: case.id, how }),
            None => Ok(()),
        }
    }

    fn judge(&self, case: &'static Case, target: &mut Target) -> std::result::Result<Verdict, SuiteError> {
        if let Some(whom) = case.danger.filter(|_| !target.is_private() && !self.dangerous) {
            return Ok(Verdict::Skip {
                missing: format!("leave to end this compositor (--dangerous): {whom}"),
            });
        }
        let before = footprint(target);
        let verdict = self.once(case, target)?;
        let (Some(before), Verdict::Pass { .. } | Verdict::Fail { .. }) = (before, &verdict) else {
            return Ok(verdict);
        };
        let Some(kept) = kept(target, &before) else { return Ok(verdict) };
        // What is loaded at its first use is not a leak; what grows each time is.
        let Some(before) = footprint(target) else { return Ok(verdict) };
        let again = self.once(case, target)?;
        match again {
            Verdict::Pass { .. } | Verdict::Fail { .. } if self::kept(target, &before).is_some() => {
                Ok(Verdict::Leak { kept })
            }
            again => Ok(again),
        }
    }

    /// Runs it and looks whether the compositor has survived.
    fn once(&self, case: &'static Case, target: &mut Target) -> std::result::Result<Verdict, SuiteError> {
        let ran = self.runner.run(case, target.session())?;
        let verdict = match ran {
            Ran::TooLong => {
                Verdict::Hang { waiting_for: format!("the case to end, for {} s", case.limit.as_secs()) }
            }
            Ran::Outcome(outcome) => match outcome.map_err(unexpected) {
                Ok(seen) => Verdict::Pass { seen },
                Err(Stop::Fail { expected, got }) => Verdict::Fail { expected, got },
                Err(Stop::Skip(missing)) => Verdict::Skip { missing },
                Err(Stop::Hang(waiting_for)) => Verdict::Hang { waiting_for },
                Err(Stop::Ended(ended)) => {
                    Verdict::Fail { expected: "no error".into(), got: ended.to_string() }
                }
            },
        };
        // Another client is the judge of whether the compositor lives.
        match target.session().connect() {
            Ok(_) => Ok(match (target.ended(), verdict) {
                (Some(how), _) => Verdict::Crash { how },
                // It serves others: what is missing is an answer to the case's own client.
                (None, Verdict::Hang { waiting_for }) => Verdict::Fail {
                    expected: waiting_for,
                    got: "nothing, while others are served".to_owned(),
                },
                (None, verdict) => verdict,
            }),
            Err(Stop::Hang(_)) => Ok(match (target.ended(), verdict) {
                (Some(how), _) => Verdict::Crash { how },
                (None, hang @ Verdict::Hang { .. }) => hang,
                (None, _) => Verdict::Hang { waiting_for: "an answer to another client".to_owned() },
            }),
            Err(_) => {
                let deadline = Instant::now() + target.session().seconds(DYING_SECONDS);
                loop {
                    if let Some(how) = target.ended() {
                        return Ok(Verdict::Crash { how });
                    }
                    if Instant::now() > deadline {
                        return Ok(Verdict::Crash { how: "it takes no connections any more".to_owned() });
                    }
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        }
    }
}

fn footprint(target: &Target) -> Option<Footprint> {
    Footprint::of(target.session().pid?).ok()
}

/// What the compositor still holds beyond `before` when it has had time to let go.
fn kept(target: &Target, before: &Footprint) -> Option<String> {
    let deadline = Instant::now() + target.session().seconds(LET_GO_SECONDS);
    loop {
        let kept = footprint(target)?.beyond(before)?;
        if Instant::now() > deadline {
            return Some(kept);
        }
        // Some let go when they next have something to do.
        let _ = target.session().connect();
        std::thread::sleep(LOOK_EVERY);
    }
}
