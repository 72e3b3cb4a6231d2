//! What was found out: for programs by serde, for people as a table.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use super::cores::Placement;
use super::message::Size;
use super::pair::Round;
use super::stats::{Spread, percentile};
use super::transport::Transport;

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where the processes ran.
    pub placement: Placement,
    /// How many rounds there were.
    pub rounds: u32,
    /// One for each size and transport, in the order in which they were asked for.
    pub results: Vec<Line>,
}

/// What was measured of one transport with messages of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The transport.
    pub transport: Transport,
    /// The size of its messages in bytes.
    pub size: Size,
    /// Whether every byte was copied in and out; otherwise the frames were handed over.
    pub copied: bool,
    /// Messages to and fro.
    pub latency: Latency,
    /// Messages one way.
    pub throughput: Throughput,
}

/// What a message takes one way, in nanoseconds: half of its way to the peer and back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The rounds' medians.
    pub p50_ns: Spread,
    /// The rounds' 99th percentiles.
    pub p99_ns: Spread,
    /// How many messages were timed, of all rounds together.
    pub messages: u64,
}

/// How many messages get across if the sender does not wait for answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// In a second, of each round.
    pub messages_per_second: Spread,
    /// The bytes of these messages; `None` where frames are handed over, since no bytes move then.
    pub bytes_per_second: Option<Spread>,
    /// How many messages were timed, of all rounds together.
    pub messages: u64,
}

impl Line {
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds and counts are far below 2^53")]
    pub(super) fn of(transport: Transport, size: Size, mut rounds: Vec<Round>) -> Line {
        let mut of_each =
            |percent| Spread::of(rounds.iter_mut().map(|r| percentile(&mut r.one_way, percent) as f64));
        let (p50_ns, p99_ns) = (of_each(50), of_each(99));
        let timed = rounds.iter().map(|round| round.one_way.len() as u64).sum();
        let rates = || rounds.iter().map(|round| round.sent as f64 * 1e9 / round.took as f64);
        let bytes = size.bytes() as f64;
        Line {
            transport,
            size,
            copied: transport.copies(),
            latency: Latency { p50_ns, p99_ns, messages: timed },
            throughput: Throughput {
                messages_per_second: Spread::of(rates()),
                bytes_per_second: transport.copies().then(|| Spread::of(rates().map(|rate| rate * bytes))),
                messages: rounds.iter().map(|round| round.sent).sum(),
            },
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let columns =
            ["size", "by", "", "p50", "of the rounds", "p99", "messages/s", "of the rounds", "bytes/s"];
        table.set_header(columns);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_cell_alignment(if matches!(index, 1 | 2) {
                CellAlignment::Left
            } else {
                CellAlignment::Right
            });
        }
        let mut before = None;
        for line in &self.results {
            // A size is said once; where it changes there is an empty row.
            let size = if before == Some(line.size) { String::new() } else { line.size.to_string() };
            if before.is_some() && !size.is_empty() {
                table.add_row([""]);
            }
            before = Some(line.size);
            let (latency, rate) = (&line.latency, &line.throughput);
            table.add_row([
                size,
                line.transport.to_string(),
                if line.copied { "copied" } else { "handed over" }.to_owned(),
                time(latency.p50_ns.median),
                range(latency.p50_ns, time),
                time(latency.p99_ns.median),
                count(rate.messages_per_second.median),
                range(rate.messages_per_second, count),
                rate.bytes_per_second.map_or_else(|| "–".to_owned(), |bytes| count(bytes.median) + "B"),
            ]);
        }
        writeln!(f, "{table}")?;
        legend(f, self)
    }
}

fn legend(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let plural = if report.rounds == 1 { "" } else { "s" };
    writeln!(f, "{}. {} round{plural}.", report.placement, report.rounds)?;
    writeln!(
        f,
        "p50, p99: one way, half of the way to the peer and back: the median of the rounds' medians and of their 99th percentiles\n\
         of the rounds: the least and the greatest of the rounds' numbers\n\
         messages/s, bytes/s: one way, the sender waits for no answers; 1 kB is 1000 bytes\n\
         copied: every byte is copied into the transport by the sender, and out of it by the receiver\n\
         handed over: only the first and last eight bytes are written, and read, in place: no bytes move"
    )?;
    let mut transports: Vec<Transport> = report.results.iter().map(|line| line.transport).collect();
    transports.sort_unstable();
    transports.dedup();
    let width = transports.iter().map(|transport| transport.name().len()).max().unwrap_or(0);
    for transport in transports {
        writeln!(f, "{transport:width$}  {}", transport.about())?;
    }
    Ok(())
}

fn range(spread: Spread, write: fn(f64) -> String) -> String {
    format!("{} .. {}", write(spread.min), write(spread.max))
}

/// A time with three digits or so.
pub(super) fn time(ns: f64) -> String {
    match ns {
        ns if ns < 999.5 => format!("{ns:.0} ns"),
        ns if ns < 999.5e3 => digits(ns / 1e3) + " µs",
        ns if ns < 999.5e6 => digits(ns / 1e6) + " ms",
        ns => digits(ns / 1e9) + " s",
    }
}

/// A number with three digits or so.
pub(super) fn count(number: f64) -> String {
    match number {
        n if n < 999.5 => digits(n) + " ",
        n if n < 999.5e3 => digits(n / 1e3) + " k",
        n if n < 999.5e6 => digits(n / 1e6) + " M",
        n => digits(n / 1e9) + " G",
    }
}

fn digits(number: f64) -> String {
    match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_their_units() {
        let cases = [
            (0.0, "0 ns"),
            (120.4, "120 ns"),
            (999.6, "1.00 µs"),
            (9_996.0, "10.0 µs"),
            (42_300.0, "42.3 µs"),
            (2_000_000.0, "2.00 ms"),
            (999_400_000.0, "999 ms"),
            (3e9, "3.00 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(time(ns), text, "{ns}");
        }
        for (number, text) in [(7.0, "7.00 "), (1234.0, "1.23 k"), (5e6, "5.00 M"), (12.34e9, "12.3 G")] {
            assert_eq!(count(number), text, "{number}");
        }
    }

    #[test]
    fn a_line_is_made_of_its_rounds() {
        let round = |one_way: &[u64], sent, took| Round { one_way: one_way.to_vec(), sent, took };
        let rounds =
            || vec![round(&[3, 1, 2], 10, 1_000), round(&[30, 10, 20], 10, 2_000), round(&[9], 1, 1_000)];
        let size: Size = "100".parse().unwrap();
        let line = Line::of(Transport::Pipe, size, rounds());
        assert_eq!(line.latency.p50_ns, Spread { median: 9.0, min: 2.0, max: 20.0 });
        assert_eq!(line.latency.p99_ns, Spread { median: 9.0, min: 3.0, max: 30.0 });
        assert_eq!((line.latency.messages, line.throughput.messages), (7, 21));
        assert_eq!(line.throughput.messages_per_second, Spread { median: 5e6, min: 1e6, max: 1e7 });
        assert_eq!(line.throughput.bytes_per_second.unwrap().median, 5e8);
        assert_eq!(Line::of(Transport::Fd, size, rounds()).throughput.bytes_per_second, None);
    }
    #[test]
    fn a_row_of_the_table_says_each_number_once() {
        let round = |one_way: &[u64], sent, took| Round { one_way: one_way.to_vec(), sent, took };
        let rounds = vec![round(&[100, 200, 4_000], 10, 1_000), round(&[300, 400, 5_000], 20, 1_000)];
        let line = Line::of(Transport::Pipe, "100".parse().unwrap(), rounds);
        let placement = Placement::Cores { first: 0, second: 1 };
        let text = Report { placement, rounds: 2, results: vec![line] }.to_string();
        let row = text.lines().find(|line| line.contains(" copied ")).unwrap();
        let cells: Vec<&str> = row.split(['│', '┆']).map(str::trim).collect();
        let expected = ["100 B", "pipe", "copied", "200 ns", "200 ns .. 400 ns", "4.00 µs"];
        assert_eq!(cells[1..7], expected, "{text}");
        assert_eq!(cells[7..10], ["10.0 M", "10.0 M .. 20.0 M", "1.00 GB"], "{text}");
    }
}
