//! `selkie shm ls`: the inventory as a table or as JSON, once or as it changes.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use calloop::EventLoop;
use calloop::signals::{Signal, Signals};
use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use rustix::event::{PollFd, PollFlags, Timespec};
use selkie_shm::inventory::{Change, Holder, Inventory, Kind, Lister, Orphan, Piece};

use crate::exit::Outcome;

#[derive(Debug, Args)]
#[command(
    after_help = "What a process holds that you may not look at is not seen (run as root for that), nor what lies unread \
    in a socket. Anonymous shared memory, which only a fork hands on, is left out."
)]
pub struct LsArgs {
    /// Go on until SIGINT: draw the table anew on a terminal, else print what appears and vanishes
    #[arg(long)]
    watch: bool,
    /// How often to look
    #[arg(long, value_name = "SECONDS", default_value = "1", requires = "watch", value_parser = interval)]
    interval: Duration,
    /// How to write it; with --watch, json is a line per change
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs, with sizes in bytes
    Json,
}

fn interval(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=86400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("write a number of seconds, from 0.1 to 86400".into()),
    }
}

/// Lists once, or watches. A reader that has read enough is no failure.
pub fn run(args: LsArgs) -> Outcome {
    let done = if args.watch { watch(&args) } else { once(&args) };
    match done {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(ExitCode::SUCCESS)
        }
        done => done.map(|()| ExitCode::SUCCESS),
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn once(args: &LsArgs) -> Done {
    let inventory = Inventory::take()?;
    let mut out = io::stdout().lock();
    match args.format {
        Format::Table => write!(out, "{}", screen(&inventory))?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &inventory).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Looks every now and then, until SIGINT or SIGTERM, or until nobody reads it any more.
fn watch(args: &LsArgs) -> Done {
    let mut events: EventLoop<'_, bool> = EventLoop::try_new()?;
    let signals = Signals::new(&[Signal::SIGINT, Signal::SIGTERM])?;
    events.handle().insert_source(signals, |_, _, ended| *ended = true).map_err(|error| error.error)?;
    let redraw = args.format == Format::Table && io::stdout().is_terminal();
    let mut lister = Lister::new()?;
    let mut before: Option<Inventory> = None;
    let mut ended = false;
    while !ended && !nobody_reads() {
        let now = lister.take()?;
        if redraw {
            // Home, what was there, and what was there before that and cannot be scrolled to any more.
            let mut out = io::stdout().lock();
            write!(out, "\x1b[H\x1b[2J\x1b[3J{}", screen(&now))?;
            out.flush()?;
        } else {
            let changes = before.as_ref().map_or_else(|| now.present().collect(), |before| now.since(before));
            print(&changes, args.format)?;
        }
        before = Some(now);
        // From now on: a look that takes longer than the interval must leave time for signals.
        let next = Instant::now() + args.interval;
        while !ended && Instant::now() < next {
            events.dispatch(next.saturating_duration_since(Instant::now()), &mut ended)?;
        }
    }
    Ok(())
}

/// Whether the other end of standard output is closed: with nothing to say, nobody else would tell.
fn nobody_reads() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut asked, Some(&at_once)).is_ok()
        && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Changes, a line each.
fn print(changes: &[Change<'_>], format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for change in changes {
        match format {
            Format::Json => {
                serde_json::to_writer(&mut out, change)?;
                writeln!(out)?;
            }
            Format::Table => {
                let piece = change.piece;
                writeln!(
                    out,
                    "{:8}  {}  {}  {}  {}",
                    change.event.name(),
                    piece.id.kind.name(),
                    name(piece),
                    bytes(piece.size),
                    held_by(piece).join("; ")
                )?;
            }
        }
    }
    out.flush()
}

/// The table, and what is to be said about it.
fn screen(inventory: &Inventory) -> String {
    let mut text = table(&inventory.pieces);
    text.push('\n');
    // Writing to a string cannot fail.
    let _ = notes(&mut text, inventory);
    text
}

/// What is not known, or does not apply.
const NONE: &str = "–";

fn table(pieces: &[Piece]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "kind",
        "name or key",
        "id",
        "size",
        "resident",
        "seals",
        "exporter",
        "owner",
        "held by",
    ]);
    for piece in pieces {
        table.add_row([
            piece.id.kind.name().to_owned(),
            name(piece),
            piece.id.number.to_string(),
            bytes(piece.size),
            bytes(piece.resident),
            piece.seals.map_or_else(|| NONE.to_owned(), |seals| seals.to_string()),
            piece.exporter.as_deref().map_or_else(|| NONE.to_owned(), plain),
            piece.owner.as_ref().map_or_else(|| "?".to_owned(), |owner| plain(&owner.to_string())),
            held_by(piece).join("\n"),
        ]);
    }
    table.to_string()
}

/// What follows the table: the leftovers and how to remove them, and what could not be seen.
fn notes(text: &mut String, inventory: &Inventory) -> std::fmt::Result {
    let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    if inventory.pieces.is_empty() {
        writeln!(text, "No shared memory was seen.")?;
    }
    let orphans: Vec<&Piece> = inventory.orphans().collect();
    if !orphans.is_empty() {
        let size = orphans.iter().map(|piece| piece.resident.unwrap_or(0)).sum();
        writeln!(text, "{} ({}):", count(orphans.len(), "leftover", "leftovers"), bytes(Some(size)))?;
    }
    for piece in orphans {
        let remove = match piece.id.kind {
            Kind::Sysv => format!("ipcrm -m {}", piece.id.number),
            _ => format!("rm {}", quoted(&format!("/dev/shm{}", piece.name.as_deref().unwrap_or_default()))),
        };
        match piece.orphan {
            Orphan::Perhaps => {
                writeln!(text, "    {remove}    # if it is one: not all processes could be seen")?
            }
            _ => writeln!(text, "    {remove}")?,
        }
    }
    if inventory.unreadable > 0 {
        let processes = count(inventory.unreadable, "process", "processes");
        let advice = match rustix::process::geteuid().is_root() {
            true => "what they hold is not known",
            false => "run as root to see what they hold",
        };
        writeln!(text, "{processes} could not be read: {advice}.")?;
    }
    if inventory.closed_directories > 0 {
        let directories = count(inventory.closed_directories, "directory", "directories");
        writeln!(text, "{directories} in /dev/shm could not be listed.")?;
    }
    if inventory.hidden {
        writeln!(
            text,
            "/proc does not show all processes here (a container, or hidepid): others may hold some of this."
        )?;
    }
    Ok(())
}

fn name(piece: &Piece) -> String {
    let mut text = piece.name.as_deref().map_or_else(|| NONE.to_owned(), plain);
    for other in &piece.other_names {
        let _ = write!(text, "\n{}", plain(other));
    }
    for (holds, note) in [
        (piece.removed, "removed"),
        (piece.foreign, "another namespace"),
        (piece.huge_page.is_some(), "huge pages"),
    ] {
        if holds {
            let _ = write!(text, " ({note})");
        }
    }
    text
}

/// Who holds a piece, a line for each, or that nobody does.
fn held_by(piece: &Piece) -> Vec<String> {
    match piece.orphan {
        Orphan::Yes => return vec!["nobody: an orphan".into()],
        Orphan::Perhaps => return vec!["nobody was seen: perhaps an orphan".into()],
        Orphan::No => {}
    }
    let mut lines: Vec<String> = piece.holders.iter().map(holder).collect();
    // Attached more often than can be seen: by processes that may not be looked at.
    let seen: u64 = piece.holders.iter().map(|holder| holder.mappings.len() as u64).sum();
    if piece.attached.is_some_and(|attached| attached > seen) {
        lines.push(format!("attached {} times in all", piece.attached.unwrap_or(0)));
    }
    if lines.is_empty() {
        lines.push(NONE.into());
    }
    lines
}

fn holder(holder: &Holder) -> String {
    let mut text = format!("{}[{}]", plain(holder.program.as_deref().unwrap_or("?")), holder.pid);
    if !holder.fds.is_empty() {
        let fds: Vec<String> = holder.fds.iter().map(i32::to_string).collect();
        let _ = write!(text, " fd {}", fds.join(","));
    }
    match holder.mappings.len() {
        0 => {}
        1 => text.push_str(" mapped"),
        n => {
            let _ = write!(text, " mapped {n} times");
        }
    }
    text
}

/// Text that a stranger may have chosen, with nothing in it that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = c.is_control().then(|| c.escape_default());
            let itself = escape.is_none().then_some(c);
            escape.into_iter().flatten().chain(itself)
        })
        .collect()
}

/// A path as a word of the shell.
fn quoted(path: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if path.chars().all(harmless) {
        path.to_owned()
    } else {
        format!("'{}'", plain(path).replace('\'', r"'\''"))
    }
}

fn bytes(size: Option<u64>) -> String {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    match size {
        None => "?".to_owned(),
        Some(n) if n < 10 * K && n % K != 0 => format!("{n} B"),
        Some(n) if n < 10 * M => format!("{} KiB", n.div_ceil(K)),
        Some(n) => format!("{} MiB", n.div_ceil(M)),
    }
}
