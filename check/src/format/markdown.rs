//! Markdown: what stands in `docs/peers.md`, which `make peers` writes.

use std::fmt::Write;

use super::table::summary;
use super::{find, ids};
use crate::case::{Case, Verdict};
use crate::cases;
use crate::suite::Report;

/// What comes before the results.
const HEAD: &str = "\
# What compositors make of shared memory

This is what `selkie check` saw; `make peers` writes it. Each compositor was started without a screen and drew on the CPU, as
packaged, in the version that is named. A line is an observation of that version in that configuration and nothing more: some of
it has been repaired since, and some cases ask for more than others find necessary. The document has no opinion on any
project; whoever finds a case unjust should say so, and the case will be looked at.

A cell says what was seen where the case was met, and the verdict in bold where it was not: **fail** (it did something else),
**crash** (it ended), **hang** (it did not answer any more), **leak** (it kept what a client that is gone had shared). What each case does and why, `selkie check --list` tells.

";

/// The results as a document: a table for each group of cases, and a section for each compositor with what was not as the
/// case asks for, in the words of the case.
pub fn markdown(reports: &[Report]) -> String {
    let ids = ids(reports);
    let mut text = HEAD.to_owned();
    // Writing to a string cannot fail.
    for line in summary(reports).lines() {
        // Without the time, which is another each time.
        let _ = writeln!(text, "- {}", line.rsplit_once(" in ").map_or(line, |(line, _)| line));
    }
    for (group, about, _) in cases::GROUPS {
        let prefix = format!("{group}.");
        let of_it: Vec<&str> = ids.iter().copied().filter(|id| id.starts_with(&prefix)).collect();
        if of_it.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {group}: {about}\n\n| case |");
        for report in reports {
            let _ = write!(text, " {} |", escaped(&report.compositor));
        }
        let _ = writeln!(text, "\n|---|{}", "---|".repeat(reports.len()));
        for id in of_it {
            let _ = write!(text, "| {} |", id.strip_prefix(&prefix).unwrap_or(id));
            for report in reports {
                let cell = find(report, id).map_or(String::new(), |result| cell(&result.verdict));
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
    }
    for report in reports {
        let mut heading = false;
        for result in report.results.iter().filter(|result| result.verdict.is_bad()) {
            if !std::mem::replace(&mut heading, true) {
                let name = report.version.as_deref().unwrap_or(&report.compositor);
                let _ = writeln!(text, "\n## What was seen in {}", escaped(name));
            }
            let _ = writeln!(text, "\n**{}**: {}.", result.id, result.verdict.word());
            if let Some(case) = cases::all().find(|case| case.id == result.id) {
                let Case { does, must, reference, .. } = case;
                let _ = writeln!(text, "{} {} ({})", escaped(does), escaped(must), escaped(reference));
            }
            let _ = writeln!(text, "Seen: {}.", escaped(&result.verdict.to_string()));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn cell(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass { seen } => escaped(seen),
        Verdict::Skip { missing } => format!("*not run: {}*", escaped(missing)),
        bad => format!("**{}**", bad.word()),
    }
}

/// Text in which nothing means anything to Markdown, not even in a table.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for letter in text.chars() {
        if "\\|<>*_`[]".contains(letter) {
            safe.push('\\');
        }
        safe.push(if letter.is_control() { ' ' } else { letter });
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::samples;

    #[test]
    fn a_table_for_each_group_and_a_section_for_each_fault() {
        let text = markdown(&samples::reports());
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.contains(&"- weston (weston 10.0.1): 1 pass, 1 fail, 1 crash, 1 hang, 1 leak, 1 skip"),
            "{text}"
        );
        assert!(lines.contains(&"| case | weston | selkie --policy copy |"), "{text}");
        assert!(
            lines.contains(&"| shrink-after-commit | **crash** | refused: wl\\_shm.invalid\\_fd |"),
            "{text}"
        );
        assert!(lines.contains(&"## What was seen in weston 10.0.1"), "{text}");
        assert!(lines.contains(&"Seen: expected a \\< b; got \"c\"."), "{text}");
        assert!(!text.contains("## What was seen in selkie"), "{text}");
    }
}
