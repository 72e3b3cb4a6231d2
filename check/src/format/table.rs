//! A table for people: a row for each case, a column for each compositor, and below it what was not as it should be.

use std::fmt::Write;

use comfy_table::{Table, presets};

use super::{find, ids};
use crate::suite::Report;

/// The verdicts, in the order in which they are counted.
const WORDS: [&str; 6] = ["pass", "fail", "crash", "hang", "leak", "skip"];

/// The results as a table.
pub fn table(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let names = reports.iter().map(|report| report.compositor.as_str());
    table.set_header(std::iter::once("case").chain(names));
    for id in ids(reports) {
        let words = reports.iter().map(|report| find(report, id).map_or("", |result| result.verdict.word()));
        table.add_row(std::iter::once(id).chain(words));
    }
    let mut text = table.to_string();
    for report in reports {
        for result in report.results.iter().filter(|result| result.verdict.word() != "pass") {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n{} {} {}\n    {}",
                report.compositor,
                result.verdict.word(),
                result.id,
                result.verdict
            );
        }
    }
    let _ = write!(text, "\n\n{}", summary(reports));
    text
}

/// A line for each compositor: how many cases came to what.
pub fn summary(reports: &[Report]) -> String {
    let line = |report: &Report| {
        let counts = WORDS.map(|word| (report.count(word), word));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        let version = report.version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
        let ms: u64 = report.results.iter().map(|result| result.ms).sum();
        format!("{}{version}: {} in {} s", report.compositor, counts.join(", "), ms.div_ceil(1000))
    };
    reports.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples;

    #[test]
    fn each_compositor_has_a_column() {
        let text = table(&samples::reports());
        let row = text.lines().find(|line| line.contains("memory.shrink-after-commit"));
        let cells: Vec<&str> =
            row.map(|row| row.split(['│', '┆']).map(str::trim).collect()).unwrap_or_default();
        assert_eq!(cells, ["", "memory.shrink-after-commit", "crash", "pass", ""]);
        assert!(text.contains("\nweston crash memory.shrink-after-commit\n    ended by SIGBUS\n"), "{text}");
        let end = "weston (weston 10.0.1): 1 pass, 1 fail, 1 crash, 1 hang, 1 leak, 1 skip in 1 s\n\
                   selkie --policy copy: 6 pass in 1 s";
        assert!(text.ends_with(end), "{text}");
    }
}
