//! The reports for people.

use std::fmt;

use comfy_table::{Table, presets};

use super::{Operation, Report};

/// What was not tried, or is not there.
const NONE: &str = "–";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Linux {}, a memfd with the seals: {}", self.kernel, self.seals)?;
        let from_the_start = self.seals.difference(self.asked);
        if !from_the_start.is_empty() {
            writeln!(f, "(every memfd has {from_the_start} here: vm.memfd_noexec)")?;
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["operation", "system call", "forbidden by", "expected", "got"]);
        for attempt in &self.attempts {
            let because = if attempt.because.is_empty() { NONE.into() } else { attempt.because.to_string() };
            let expected = attempt.expected.map_or(NONE.into(), |expected| expected.to_string());
            let got = attempt.got.map_or(NONE.into(), |got| got.to_string());
            let mark = if attempt.agrees { "" } else { "  <- differs" };
            let got = format!("{got}{mark}");
            table.add_row([attempt.operation.name(), attempt.call, &because, &expected, &got]);
        }
        writeln!(f, "{table}")?;
        let (tried, differ) = count([self]);
        writeln!(f, "{}", verdict(tried, differ))
    }
}

/// Many reports in one table: a line for each set of seals, a column for each operation.
pub fn matrix(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let columns = Operation::ALL.iter().map(|operation| column(*operation));
    table.set_header(["seals"].into_iter().chain(columns));
    for report in reports {
        let cells = report.attempts.iter().map(|attempt| {
            let got = attempt.got.map_or(NONE.into(), |got| got.to_string());
            match attempt.expected {
                Some(expected) if !attempt.agrees => format!("{got} <- not {expected}"),
                _ => got,
            }
        });
        table.add_row([report.asked.to_string()].into_iter().chain(cells));
    }
    let kernel = reports.first().map(|report| format!("Linux {}\n", report.kernel)).unwrap_or_default();
    let (tried, differ) = count(reports);
    format!("{kernel}{table}\n{}\n", verdict(tried, differ))
}

/// A word for a narrow column.
const fn column(operation: Operation) -> &'static str {
    match operation {
        Operation::Seal => "sealing",
        Operation::Shrink => "shrink",
        Operation::Grow => "grow",
        Operation::Write => "write",
        Operation::Append => "append",
        Operation::MapWritable => "map rw",
        Operation::MapReadOnly => "map ro",
        Operation::SealWhileMapped => "sealing while mapped",
        Operation::WriteOldMapping => "old mapping",
        Operation::PunchHole => "hole",
        Operation::AddSeal => "add seal",
        Operation::MakeExecutable => "chmod +x",
    }
}

/// How many attempts were made, and how many came out otherwise than expected.
fn count<'a>(reports: impl IntoIterator<Item = &'a Report>) -> (usize, usize) {
    reports.into_iter().flat_map(|report| &report.attempts).fold((0, 0), |(tried, differ), attempt| {
        (tried + usize::from(attempt.got.is_some()), differ + usize::from(!attempt.agrees))
    })
}

fn verdict(tried: usize, differ: usize) -> String {
    match differ {
        0 => format!("All {tried} attempts came out as fcntl(2) and memfd_create(2) say."),
        1 => format!("1 of {tried} attempts differs from the manual."),
        _ => format!("{differ} of {tried} attempts differ from the manual."),
    }
}
