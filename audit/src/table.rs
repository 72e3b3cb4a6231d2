//! The report for people: what the memory is, what was done with it, the verdicts, and what to change.
//!
//! Toolkits make a pool for every buffer, one like the other, so pools that are alike but for their size share a row.

use std::collections::BTreeSet;
use std::fmt;

use comfy_table::{Table, presets};
use selkie_compositor::buffer::{Policy, Treatment};

use crate::report::{Buffer, Connection, Outcome, Pool, Report, Usage};

/// What is not known, or does not apply.
const NONE: &str = "–";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections.len() == 1 { "" } else { "s" };
        writeln!(
            f,
            "{}: {} ({:.1} s); {} connection{plural} to {}",
            self.command.join(" "),
            self.ended,
            self.seconds,
            self.connections.len(),
            self.compositor
        )?;
        let rows = rows(&self.connections);
        writeln!(f, "{}", memory(&rows))?;
        if rows.iter().any(|row| row.usage.commits > 0) {
            writeln!(f, "{}", used(&rows))?;
        }
        for (connection, error) in self.connections.iter().filter_map(|c| Some((c, c.error.as_ref()?))) {
            writeln!(f, "{} was ended by the compositor: {error}", connection.program)?;
        }
        obstacles(f, &rows)?;
        for connection in &self.connections {
            damage(f, connection)?;
        }
        for policy in Policy::ALL {
            if let Some(outcome) = self.policies.get(policy.name()) {
                writeln!(f, "{:8} {}", format!("{policy}:"), says(outcome))?;
            }
        }
        for advice in &self.advice {
            // Files have a name each.
            let names = advice.memory.first().map_or("", String::as_str);
            let more = if advice.memory.len() > 1 { ", …" } else { "" };
            let by = match advice.made_by.as_slice() {
                [] => String::new(),
                libraries => format!(", made by {}", libraries.join(", ")),
            };
            writeln!(f, "To do for {} ({names}{more}{by}): {}.", advice.programs.join(", "), advice.advice)?;
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

/// What memory in one row has in common.
#[derive(PartialEq)]
struct Alike {
    program: String,
    family: String,
    kind: String,
    seals: String,
    treatments: Vec<&'static str>,
}

/// Memory that is alike.
struct Row<'a> {
    /// What it is called, or the first of it.
    name: String,
    alike: Alike,
    count: usize,
    claimed: u64,
    file: Option<u64>,
    resident: Option<u64>,
    resizes: u32,
    usage: Usage,
    buffers: Vec<&'a Buffer>,
    is_dmabuf: bool,
}

fn rows(connections: &[Connection]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut add = |row: Row<'static>, buffers| match rows.iter_mut().find(|known| known.alike == row.alike) {
        Some(known) => {
            known.count += 1;
            if known.name != row.name {
                known.name.clone_from(&known.alike.family);
            }
            known.claimed = known.claimed.max(row.claimed);
            known.file = known.file.max(row.file);
            known.resident = known.resident.max(row.resident);
            known.resizes += row.resizes;
            known.usage.add(&row.usage);
            known.buffers.extend(buffers);
        }
        None => rows.push(Row { buffers: Vec::from_iter(buffers), ..row }),
    };
    for connection in connections {
        for pool in &connection.pools {
            let treatments = Policy::ALL.iter().filter_map(|policy| {
                pool.policies.get(policy.name()).map(|outcome| outcome.treatment.name())
            });
            let alike = Alike {
                program: connection.program.clone(),
                family: family(&pool.name),
                kind: pool.kind.clone(),
                seals: seals(pool),
                treatments: treatments.collect(),
            };
            let row = Row {
                name: pool.name.clone(),
                alike,
                count: 1,
                claimed: pool.largest_claim,
                file: pool.file_size,
                resident: pool.resident,
                resizes: pool.resizes,
                usage: pool.usage.clone(),
                buffers: Vec::new(),
                is_dmabuf: false,
            };
            add(row, &pool.buffers);
        }
        for dmabuf in &connection.dmabufs {
            let treatment = if dmabuf.error.is_some() { Treatment::Refused } else { Treatment::Mapped };
            let alike = Alike {
                program: connection.program.clone(),
                family: family(&dmabuf.name),
                kind: format!("dma-buf ({})", dmabuf.exporter),
                seals: NONE.to_owned(),
                treatments: vec![treatment.name(); Policy::ALL.len()],
            };
            let row = Row {
                name: dmabuf.name.clone(),
                alike,
                count: 1,
                claimed: dmabuf.size.unwrap_or(0),
                file: dmabuf.size,
                resident: dmabuf.size,
                resizes: 0,
                usage: dmabuf.usage.clone(),
                buffers: Vec::new(),
                is_dmabuf: true,
            };
            add(row, &dmabuf.buffers);
        }
    }
    rows
}

/// What names have in common of memory that is alike: files have a name each.
fn family(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/…"),
        None => name.to_owned(),
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

fn memory(rows: &[Row<'_>]) -> Table {
    let mut table = new_table(&[
        "program", "memory", "kind", "seals", "no.", "claimed", "file", "resident", "enforce", "adopt",
        "copy", "guard",
    ]);
    for row in rows {
        let Alike { program, kind, seals, treatments, .. } = &row.alike;
        let sizes = [row.count.to_string(), bytes(Some(row.claimed)), bytes(row.file), bytes(row.resident)];
        let head = [program, &row.name, kind, seals].map(String::as_str);
        let sizes = sizes.iter().map(String::as_str);
        table.add_row(head.into_iter().chain(sizes).chain(treatments.iter().copied()));
    }
    table
}

/// What was done with it.
fn used(rows: &[Row<'_>]) -> Table {
    let mut table = new_table(&[
        "memory",
        "buffers",
        "resized",
        "committed",
        "released",
        "held (median, max)",
        "drew early",
        "import",
        "forward",
    ]);
    for row in rows {
        let usage = &row.usage;
        let held = match (usage.held_ms_median, usage.held_ms_max) {
            (Some(median), Some(longest)) => format!("{median:.1}, {longest:.1} ms"),
            _ => NONE.to_owned(),
        };
        let early = match usage.release_checks {
            0 => NONE.to_owned(),
            checks => format!("{} of {checks}", usage.drew_before_release),
        };
        table.add_row([
            row.name.clone(),
            buffers(&row.buffers),
            if row.is_dmabuf { NONE.to_owned() } else { row.resizes.to_string() },
            usage.commits.to_string(),
            usage.releases.to_string(),
            held,
            early,
            possible(row, |b| b.not_imported.as_deref()),
            possible(row, |b| b.not_forwarded.as_deref()),
        ]);
    }
    table
}

/// The sizes and formats of buffers, the first few of them.
fn buffers(buffers: &[&Buffer]) -> String {
    const MOST: usize = 3;
    let mut counted: Vec<(String, usize)> = Vec::new();
    for buffer in buffers {
        let text = format!("{}x{} {}", buffer.width, buffer.height, buffer.format);
        match counted.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += buffer.count,
            None => counted.push((text, buffer.count)),
        }
    }
    let mut lines: Vec<String> =
        counted.iter().take(MOST).map(|(text, count)| format!("{count} of {text}")).collect();
    if counted.len() > MOST {
        lines.push(format!("and {} other sizes", counted.len() - MOST));
    }
    lines.join("\n")
}

fn possible(row: &Row<'_>, why_not: impl Fn(&Buffer) -> Option<&str>) -> String {
    let not = row.buffers.iter().filter(|b| why_not(b).is_some()).count();
    match (row.buffers.len(), not) {
        (0, _) => NONE,
        _ if row.is_dmabuf => "is one",
        (_, 0) => "yes",
        (all, not) if all == not => "no",
        _ => "some",
    }
    .to_owned()
}

/// Why buffers could not be imported or forwarded, each reason once.
fn obstacles(f: &mut fmt::Formatter<'_>, rows: &[Row<'_>]) -> fmt::Result {
    for row in rows.iter().filter(|row| row.usage.commits > 0) {
        let name = &row.name;
        let mut tell = |what: &str, reasons: BTreeSet<&str>| match reasons.first() {
            Some(first) if reasons.len() > 1 => {
                writeln!(f, "Not {what}: {name}, {first} (and {} like that).", reasons.len() - 1)
            }
            Some(first) => writeln!(f, "Not {what}: {name}, {first}."),
            None => Ok(()),
        };
        tell("imported", row.buffers.iter().filter_map(|b| b.not_imported.as_deref()).collect())?;
        tell("forwarded", row.buffers.iter().filter_map(|b| b.not_forwarded.as_deref()).collect())?;
    }
    Ok(())
}

/// What surfaces said about their damage.
fn damage(f: &mut fmt::Formatter<'_>, connection: &Connection) -> fmt::Result {
    for (surface, number) in connection.surfaces.iter().zip(1..) {
        let (Some(damaged), Some(changed)) = (surface.damaged_percent, surface.changed_percent) else {
            continue;
        };
        write!(
            f,
            "{}, surface {number}: {damaged:.0} % damaged, {changed:.0} % changed, in {} of {} commits",
            connection.program, surface.comparisons, surface.commits
        )?;
        if surface.full_damage_little_change > 0 {
            write!(
                f,
                "; {} times all was damaged and little had changed",
                surface.full_damage_little_change
            )?;
        }
        if surface.changed_outside_damage > 0 {
            write!(f, "; {} times pixels changed that were not damaged", surface.changed_outside_damage)?;
        }
        writeln!(f, ".")?;
    }
    Ok(())
}

fn seals(pool: &Pool) -> String {
    match (&pool.seals, pool.shrink_seal) {
        (None, _) => NONE.to_owned(),
        (Some(seals), "possible") => format!("{seals} (open)"),
        (Some(seals), _) => seals.clone(),
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
