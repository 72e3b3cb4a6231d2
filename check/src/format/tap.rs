//! The Test Anything Protocol, version 14: testanything.org/tap-version-14-specification.html.

use std::fmt::Write;

use crate::case::Verdict;
use crate::suite::Report;

/// The results as TAP, one test point for each case in each compositor.
pub fn tap(reports: &[Report]) -> String {
    let count: usize = reports.iter().map(|report| report.results.len()).sum();
    let mut text = format!("TAP version 14\n1..{count}\n");
    let results = reports.iter().flat_map(|report| report.results.iter().map(move |result| (report, result)));
    for (number, (report, result)) in results.enumerate() {
        let ok = if result.verdict.is_bad() { "not ok" } else { "ok" };
        // A `#` would begin a directive.
        let name = report.compositor.replace('\\', "\\\\").replace('#', "\\#");
        let skip = match &result.verdict {
            Verdict::Skip { missing } => format!(" # SKIP {missing}"),
            _ => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{ok} {} - {name}: {}{skip}", number + 1, result.id);
        if result.verdict.is_bad() {
            // A JSON string is a YAML string.
            let message = serde_json::Value::from(result.verdict.to_string());
            let (word, ms) = (result.verdict.word(), result.ms);
            let _ =
                writeln!(text, "  ---\n  verdict: {word}\n  message: {message}\n  duration_ms: {ms}\n  ...");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples;

    #[test]
    fn each_verdict_has_its_form() {
        let text = tap(&samples::reports());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["TAP version 14", "1..12", "ok 1 - weston: memory.sealed-memfd"]);
        let crash = [
            "not ok 2 - weston: memory.shrink-after-commit",
            "  ---",
            "  verdict: crash",
            "  message: \"ended by SIGBUS\"",
            "  duration_ms: 12",
            "  ...",
        ];
        assert_eq!(lines[3..9], crash);
        assert!(text.contains("message: \"expected a < b; got \\\"c\\\"\""), "{text}");
        assert!(text.contains("ok 6 - weston: dmabuf.shown # SKIP there is no /dev/udmabuf"), "{text}");
        assert_eq!(lines.last(), Some(&"ok 12 - selkie --policy copy: dmabuf.shown"));
    }
}
