//! JUnit's XML, as continuous integration systems read it.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use crate::case::Verdict;
use crate::suite::Report;

/// It could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the results as JUnit XML")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The results as JUnit XML: a suite for each compositor. A wrong behaviour is a `failure`; what ends, freezes or fills up
/// the compositor is an `error`; the `type` is the verdict.
///
/// # Errors
///
/// [`JunitError`]
pub fn junit(reports: &[Report]) -> Result<String, JunitError> {
    let mut junit = Junit::new("selkie check");
    for report in reports {
        let mut suite = TestSuite::new(&report.compositor);
        if let Some(version) = &report.version {
            suite.add_property(("version", version.as_str()));
        }
        for result in &report.results {
            let mut status = match &result.verdict {
                Verdict::Pass { .. } => TestCaseStatus::success(),
                Verdict::Skip { .. } => TestCaseStatus::skipped(),
                Verdict::Fail { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
                _ => TestCaseStatus::non_success(NonSuccessKind::Error),
            };
            if !matches!(result.verdict, Verdict::Pass { .. }) {
                status.set_message(result.verdict.to_string());
            }
            if result.verdict.is_bad() {
                status.set_type(result.verdict.word());
            }
            let mut case = TestCase::new(&result.id, status);
            case.set_classname(result.id.split('.').next().unwrap_or_default());
            case.set_time(Duration::from_millis(result.ms));
            suite.add_test_case(case);
        }
        junit.add_test_suite(suite);
    }
    Ok(junit.to_string()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::format::samples;

    #[test]
    fn failures_errors_and_skips_are_told_apart() {
        let text = junit(&samples::reports()).unwrap();
        let suite = "<testsuite name=\"weston\" tests=\"6\" skipped=\"1\" errors=\"3\" failures=\"1\">";
        assert!(text.contains(suite), "{text}");
        let failure = "<failure message=\"expected a &lt; b; got &quot;c&quot;\" type=\"fail\"/>";
        assert!(text.contains(failure), "{text}");
        assert!(text.contains("<error message=\"ended by SIGBUS\" type=\"crash\"/>"), "{text}");
        assert!(text.contains("<skipped message=\"there is no /dev/udmabuf\"/>"), "{text}");
    }
}
