//! Results for people and for machines.

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::case::Case;
use crate::suite::Report;

/// The results as JSON: `{"compositors": [{"compositor", "version", "results": [{"id", "verdict", ..., "ms"}]}]}`.
///
/// With the verdict come its particulars: `seen` (pass), `expected` and `got` (fail), `how` (crash), `waiting_for` (hang),
/// `kept` (leak), `missing` (skip).
pub fn json(reports: &[Report]) -> String {
    #[derive(Serialize)]
    struct All<'a> {
        compositors: &'a [Report],
    }
    // Strings and numbers only, under names that are strings: there is nothing that could fail.
    serde_json::to_string_pretty(&All { compositors: reports }).unwrap_or_default()
}

/// The cases themselves as JSON.
pub fn list_json(cases: &[&'static Case]) -> String {
    let list: Vec<serde_json::Value> = cases.iter().map(|case| describe(case)).collect();
    serde_json::Value::Array(list).to_string()
}

fn describe(case: &Case) -> serde_json::Value {
    serde_json::json!({
        "id": case.id, "group": case.group(), "does": case.does, "must": case.must,
        "reference": case.reference, "matters": case.matters, "danger": case.danger,
    })
}

/// The results as a table with a column for each compositor, and below it what was not as it should be.
pub fn table(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut head = vec!["case".to_owned()];
    head.extend(reports.iter().map(|report| report.compositor.clone()));
    table.set_header(head);
    let Some(first) = reports.first() else { return String::new() };
    for result in &first.results {
        let mut row = vec![result.id.clone()];
        for report in reports {
            let found = report.results.iter().find(|other| other.id == result.id);
            row.push(found.map_or("", |found| found.verdict.word()).to_owned());
        }
        table.add_row(row);
    }
    let mut text = table.trim_fmt();
    for report in reports {
        for result in report.results.iter().filter(|result| result.verdict.is_bad()) {
            let word = result.verdict.word();
            text.push_str(&format!("\n\n{} {word} {}: {}", report.compositor, result.id, result.verdict));
        }
    }
    text.push('\n');
    for report in reports {
        let words = ["pass", "fail", "crash", "hang", "leak", "skip"];
        let counts = words.map(|word| (report.count(word), word));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        text.push_str(&format!("\n{}: {}", report.compositor, counts.join(", ")));
    }
    text
}
