//! Results for people and for machines.

mod compare;
mod json;
mod junit;
mod markdown;
mod table;
mod tap;

pub use compare::{Changes, CompareError};
pub use json::{json, list_json, read_json};
pub use junit::{JunitError, junit};
pub use markdown::markdown;
pub use table::{summary, table};
pub use tap::tap;

use crate::suite::{Report, Result};

/// The ids of all cases in any of the reports, in the order in which they were run.
fn ids(reports: &[Report]) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    for result in reports.iter().flat_map(|report| &report.results) {
        if !ids.contains(&result.id.as_str()) {
            ids.push(&result.id);
        }
    }
    ids
}

/// The result of a case in one compositor, if it was run there.
fn find<'a>(report: &'a Report, id: &str) -> Option<&'a Result> {
    report.results.iter().find(|result| result.id == id)
}

#[cfg(test)]
pub(crate) mod samples {
    use crate::case::Verdict;
    use crate::suite::{Report, Result};

    /// A result.
    pub fn result(id: &str, verdict: Verdict) -> Result {
        Result { id: id.to_owned(), verdict, ms: 12 }
    }

    /// One of each verdict, in two compositors.
    pub fn reports() -> Vec<Report> {
        let text = |text: &str| text.to_owned();
        let sound = Verdict::Pass { seen: text("refused: wl_shm.invalid_fd") };
        let all = vec![
            result("memory.sealed-memfd", Verdict::Pass { seen: text("shown") }),
            result("memory.shrink-after-commit", Verdict::Crash { how: text("ended by SIGBUS") }),
            result(
                "memory.resize-past-sealed-file",
                Verdict::Fail { expected: text("a < b"), got: text("\"c\"") },
            ),
            result("load.pools", Verdict::Leak { kept: text("3 more fds of socket") }),
            result("load.floods", Verdict::Hang { waiting_for: text("an answer to another client") }),
            result("dmabuf.shown", Verdict::Skip { missing: text("there is no /dev/udmabuf") }),
        ];
        let good = all.iter().map(|bad| result(&bad.id, sound.clone())).collect();
        vec![
            Report { compositor: text("weston"), version: Some(text("weston 10.0.1")), results: all },
            Report { compositor: text("selkie --policy copy"), version: None, results: good },
        ]
    }
}
