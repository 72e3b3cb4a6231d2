//! What has changed since an earlier run.

use std::fmt::{self, Display};

use super::find;
use crate::case::Verdict;
use crate::suite::Report;

/// What cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// None of the compositors is in the older results.
    #[error(
        "the older results are of {0}: there is nothing to compare; give --launch or --display as it was then"
    )]
    OtherCompositors(String),
}

/// A case that does not come to the same as it did.
#[derive(Debug)]
struct Change {
    compositor: String,
    id: String,
    was: Option<Verdict>,
    is: Verdict,
}

/// All such cases.
#[derive(Debug)]
pub struct Changes(Vec<Change>);

/// How bad a verdict is. What cannot be run is not worse than what passes.
fn badness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Pass { .. } | Verdict::Skip { .. } => 0,
        Verdict::Fail { .. } => 1,
        Verdict::Leak { .. } => 2,
        Verdict::Hang { .. } => 3,
        Verdict::Crash { .. } => 4,
    }
}

impl Changes {
    /// What has changed between `old` and `new`, for the compositors that are in both. Cases that were not run now are
    /// left out.
    ///
    /// # Errors
    ///
    /// [`CompareError`], if there is nothing to compare.
    pub fn between(old: &[Report], new: &[Report]) -> Result<Changes, CompareError> {
        let pairs = new.iter().filter_map(|new| {
            let old = old.iter().find(|old| old.compositor == new.compositor)?;
            Some((old, new))
        });
        let pairs: Vec<_> = pairs.collect();
        if pairs.is_empty() {
            let names: Vec<&str> = old.iter().map(|report| report.compositor.as_str()).collect();
            return Err(CompareError::OtherCompositors(names.join(", ")));
        }
        let mut changes = Vec::new();
        for (old, new) in pairs {
            for result in &new.results {
                let was = find(old, &result.id).map(|old| old.verdict.clone());
                if was.as_ref().map(Verdict::word) != Some(result.verdict.word()) {
                    let (compositor, id) = (new.compositor.clone(), result.id.clone());
                    changes.push(Change { compositor, id, was, is: result.verdict.clone() });
                }
            }
        }
        Ok(Changes(changes))
    }

    /// Whether anything is worse than it was. A case that is new counts as worse if it does not pass.
    pub fn is_worse(&self) -> bool {
        self.0.iter().any(|change| badness(&change.is) > change.was.as_ref().map_or(0, badness))
    }
}

impl Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing has changed");
        }
        for (at, Change { compositor, id, was, is }) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            let was = was.as_ref().map_or("new", Verdict::word);
            write!(f, "{end}{compositor} {id}: {was} -> {} ({is})", is.word())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::format::samples::{reports, result};

    #[test]
    fn what_got_worse_is_told_from_what_got_better() {
        let all = reports();
        let same = Changes::between(&all, &all).unwrap();
        assert_eq!((same.to_string().as_str(), same.is_worse()), ("nothing has changed", false));

        let bad = vec![Report { compositor: "x".into(), version: None, results: all[0].results.clone() }];
        let good = vec![Report { compositor: "x".into(), version: None, results: all[1].results.clone() }];
        let better = Changes::between(&bad, &good).unwrap();
        assert!(!better.is_worse());
        let first = "x memory.shrink-after-commit: crash -> pass (refused: wl_shm.invalid_fd)";
        assert_eq!(better.to_string().lines().next(), Some(first));
        assert!(Changes::between(&good, &bad).unwrap().is_worse());
        assert!(Changes::between(&all[..1], &good).is_err());
    }

    #[test]
    fn a_new_case_is_worse_only_if_it_does_not_pass() {
        let old = vec![Report { compositor: "x".into(), version: None, results: Vec::new() }];
        let mut new = old.clone();
        new[0].results = vec![result("load.new", Verdict::Pass { seen: "accepted".into() })];
        let changes = Changes::between(&old, &new).unwrap();
        assert_eq!(
            (changes.to_string().as_str(), changes.is_worse()),
            ("x load.new: new -> pass (accepted)", false)
        );
        new[0].results = vec![result("load.new", Verdict::Crash { how: "ended by SIGBUS".into() })];
        assert!(Changes::between(&old, &new).unwrap().is_worse());
    }
}
