//! The report for people: two tables, a verdict, advice.

use std::fmt::{self, Write};

use comfy_table::{Table, presets};
use selkie_compositor::buffer::{Policy, Treatment};

use crate::report::{Buffer, Outcome, Pool, Report, Usage};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections.len() == 1 { "" } else { "s" };
        writeln!(
            f,
            "{}: {} after {:.1} s, {} connection{plural} to {}",
            self.command.join(" "),
            self.ended,
            self.seconds,
            self.connections.len(),
            self.compositor
        )?;
        writeln!(f, "{}", memory(self))?;
        let used = used(self);
        if used.row_count() > 0 {
            writeln!(f, "{used}")?;
        }
        for connection in &self.connections {
            if let Some(error) = &connection.error {
                writeln!(f, "{} was ended by the compositor: {error}", connection.program)?;
            }
        }
        for policy in Policy::ALL {
            if let Some(outcome) = self.policies.get(policy.name()) {
                writeln!(f, "{:8} {}", format!("{policy}:"), says(outcome))?;
            }
        }
        for advice in &self.advice {
            writeln!(f, "{} ({}): {}.", advice.programs.join(", "), advice.memory.join(", "), advice.advice)?;
        }
        if !self.hidden_globals.is_empty() {
            writeln!(f, "Not shown to the program: {}.", self.hidden_globals.join(", "))?;
        }
        Ok(())
    }
}

/// What a policy does with the program, as a sentence.
fn says(outcome: &Outcome) -> String {
    match (outcome.treatment, &outcome.why) {
        (Treatment::Mapped, _) => "accepted, all of its memory is sealed".into(),
        (Treatment::Adopted, _) => "accepted, after the compositor has added the missing seal".into(),
        (Treatment::Copied, _) => "accepted, and copied with system calls at every commit".into(),
        (Treatment::Guarded, _) => "accepted, and read under a SIGBUS guard".into(),
        (Treatment::Refused, why) => format!("refused: {}", why.as_deref().unwrap_or_default()),
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

/// A row for each kind of pool: many are alike.
fn memory(report: &Report) -> Table {
    let mut table = new_table(&[
        "program", "memory", "kind", "pools", "seals", "claimed", "file", "resident", "enforce", "adopt",
        "copy", "guard",
    ]);
    let mut rows: Vec<(Vec<String>, usize)> = Vec::new();
    for (connection, pool) in report.connections.iter().flat_map(|c| c.pools.iter().map(move |p| (c, p))) {
        let mut row = vec![connection.program.clone(), pool.name.clone(), pool.kind.clone(), seals(pool)];
        row.push(bytes(Some(pool.largest_claim)));
        row.push(bytes(pool.file_size));
        row.push(bytes(pool.resident));
        row.extend(Policy::ALL.iter().map(|policy| {
            pool.policies.get(policy.name()).map_or("", |outcome| outcome.treatment.name()).to_owned()
        }));
        count(&mut rows, row);
    }
    for (connection, dmabuf) in report.connections.iter().flat_map(|c| c.dmabufs.iter().map(move |d| (c, d)))
    {
        let mut row = vec![connection.program.clone(), format!("{} {}", dmabuf.exporter, dmabuf.name)];
        row.extend([
            "dma-buf".to_owned(),
            "–".to_owned(),
            bytes(dmabuf.size),
            bytes(dmabuf.size),
            bytes(dmabuf.size),
        ]);
        row.extend(Policy::ALL.iter().map(|_| Treatment::Mapped.name().to_owned()));
        count(&mut rows, row);
    }
    for (mut row, count) in rows {
        row.insert(3, count.to_string());
        table.add_row(row);
    }
    table
}

fn count(rows: &mut Vec<(Vec<String>, usize)>, row: Vec<String>) {
    match rows.iter_mut().find(|(known, _)| *known == row) {
        Some((_, count)) => *count += 1,
        None => rows.push((row, 1)),
    }
}

/// What was done with it.
fn used(report: &Report) -> Table {
    let mut table = new_table(&[
        "memory",
        "buffers",
        "resized",
        "commits",
        "releases",
        "held ms (median, max)",
        "drew early",
        "import",
        "forward",
    ]);
    for connection in &report.connections {
        for pool in connection.pools.iter().filter(|pool| pool.usage.commits > 0 || pool.resizes > 0) {
            let mut row = vec![pool.name.clone(), buffers(&pool.buffers), pool.resizes.to_string()];
            row.extend(usage(&pool.usage));
            row.push(obstacle(&pool.buffers, |b| b.not_imported.as_deref()));
            row.push(obstacle(&pool.buffers, |b| b.not_forwarded.as_deref()));
            table.add_row(row);
        }
        for dmabuf in connection.dmabufs.iter().filter(|dmabuf| dmabuf.usage.commits > 0) {
            let mut row = vec![dmabuf.name.clone(), buffers(&dmabuf.buffers), "–".to_owned()];
            row.extend(usage(&dmabuf.usage));
            row.extend(["yes".to_owned(), "yes".to_owned()]);
            table.add_row(row);
        }
    }
    table
}

fn usage(usage: &Usage) -> [String; 4] {
    let held = match (usage.held_ms_median, usage.held_ms_max) {
        (Some(median), Some(longest)) => format!("{median:.1}, {longest:.1}"),
        _ => "–".to_owned(),
    };
    let early = match usage.release_checks {
        0 => "–".to_owned(),
        checks => format!("{} of {checks}", usage.drew_before_release),
    };
    [usage.commits.to_string(), usage.releases.to_string(), held, early]
}

fn buffers(buffers: &[Buffer]) -> String {
    let mut text = String::new();
    for buffer in buffers {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{}x {}x{} {}", buffer.count, buffer.width, buffer.height, buffer.format);
        if text.lines().count() > 3 {
            text.push_str("\n…");
            break;
        }
    }
    text
}

fn obstacle(buffers: &[Buffer], of: impl Fn(&Buffer) -> Option<&str>) -> String {
    if buffers.is_empty() {
        return "–".to_owned();
    }
    buffers.iter().find_map(of).map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"))
}

fn seals(pool: &Pool) -> String {
    match &pool.seals {
        None => "–".to_owned(),
        Some(seals) if seals == "none" => format!("none ({})", serde_name(pool)),
        Some(seals) => seals.clone(),
    }
}

fn serde_name(pool: &Pool) -> &'static str {
    match pool.shrink_seal {
        "possible" => "open",
        _ => "closed",
    }
}

/// A size, for people.
fn bytes(bytes: Option<u64>) -> String {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    match bytes {
        None => "?".to_owned(),
        Some(n) if n < 10 * K && n % K != 0 => format!("{n} B"),
        Some(n) if n < 10 * M => format!("{} KiB", n.div_ceil(K)),
        Some(n) => format!("{} MiB", n.div_ceil(M)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown =
            [None, Some(0), Some(100), Some(4096), Some(250_000), Some(8 << 20), Some(512 << 20)].map(bytes);
        assert_eq!(shown, ["?", "0 KiB", "100 B", "4 KiB", "245 KiB", "8192 KiB", "512 MiB"]);
    }
}
