//! What it costs to hand a frame from one process to another: our ring beside iceoryx2, in turns, in one run.
//!
//! Ping-pong, as iceoryx2's own benchmark (publish-subscribe) does it: one process sends, the other waits for that and
//! answers, each on a processor of its own. Half a round trip is one hand-over. Both carry the same: of each frame the first
//! and the last 8 bytes are written by who sends it, and read and compared by who gets it. iceoryx2 asks without a pause whether
//! there is something; the ring waits as it always does.
//!
//! A machine that does other things too can only add to a time. So what is compared is the best median of some
//! rounds; the worst stands beside it.
//!
//! `cargo bench -p shm-core --bench ring`. Ends with status 1 if a hand-over takes longer than iceoryx2's at 64 B or 4 KiB, or if one
//! of 8 MiB takes more than twice as long as one of 64 B. Without `--bench` (`cargo test --bench ring`) everything runs once and
//! briefly, and the numbers mean nothing.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot have what it needs has failed")]

#[path = "ring/iceoryx.rs"]
mod iceoryx;
#[path = "ring/ours.rs"]
mod ours;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use shm_core::process::die_with_parent;

const SIZES: [(&str, usize); 3] = [("64 B", 64), ("4 KiB", 4 << 10), ("8 MiB", 8 << 20)];

/// How thoroughly to measure.
#[derive(Clone, Copy)]
struct Depth {
    rounds: u32,
    warm_up: u64,
    count: u64,
}

const BENCH: Depth = Depth { rounds: 9, warm_up: 20_000, count: 100_000 };
const SMOKE: Depth = Depth { rounds: 1, warm_up: 10, count: 100 };

/// One end of a connection to the other process.
trait Port {
    /// Sends a frame whose first and last 8 bytes are this number.
    fn send(&mut self, number: u64);
    /// Waits for a frame, and gives its number.
    fn receive(&mut self) -> u64;
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ring,
    Iceoryx,
}

const KINDS: [Kind; 2] = [Kind::Ring, Kind::Iceoryx];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Ring => "ring",
            Kind::Iceoryx => "iceoryx2",
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, echo, kind, size, count, place] = args.as_slice()
        && echo == "--echo"
    {
        answer(kind, size.parse().unwrap(), count.parse().unwrap(), place);
        return ExitCode::SUCCESS;
    }
    let thorough = args.iter().any(|arg| arg == "--bench");
    let depth = if thorough { BENCH } else { SMOKE };
    if processors().len() < 2 {
        println!("skipped: ping-pong needs two processors, and here is one");
        return ExitCode::SUCCESS;
    }
    pin(0);
    let mut rounds = vec![[const { Vec::<Round>::new() }; KINDS.len()]; SIZES.len()];
    for _ in 0..depth.rounds {
        for (row, (_, size)) in rounds.iter_mut().zip(SIZES) {
            for (cell, kind) in row.iter_mut().zip(KINDS) {
                cell.push(measure(kind, size, depth));
            }
        }
    }
    let holds = report(&rounds, depth);
    if thorough && !holds { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect()
}

/// Binds this process to the first or second processor that it may use.
fn pin(which: usize) {
    let mut one = CpuSet::new();
    one.set(processors()[which]);
    sched_setaffinity(None, &one).unwrap();
}

/// The times of one round, in nanoseconds for one way.
#[derive(Clone, Copy)]
struct Round {
    p50: f64,
    p99: f64,
}

fn measure(kind: Kind, size: usize, depth: Depth) -> Round {
    let (mut stream, theirs) = UnixStream::pair().unwrap();
    let place = tempfile::Builder::new().prefix("selkie-bench-").tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--echo", kind.name(), &size.to_string(), &(depth.warm_up + depth.count).to_string()]);
    child.arg(place.path()).stdin(OwnedFd::from(theirs));
    die_with_parent(&mut child);
    // The child inherits the right to one processor only, and takes back what it needs.
    let mut child = child.spawn().unwrap();
    let times = match kind {
        Kind::Ring => ping(ours::Ring::offer(&mut stream, size), &mut stream, depth),
        Kind::Iceoryx => ping(iceoryx::Link::new(place.path(), size, true), &mut stream, depth),
    };
    assert!(child.wait().unwrap().success());
    times
}

fn ping(mut port: impl Port, stream: &mut UnixStream, depth: Depth) -> Round {
    // Both sides are connected once the other has said so.
    stream.read_exact(&mut [0]).unwrap();
    let mut times = Vec::with_capacity(usize::try_from(depth.count).unwrap());
    for number in 0..depth.warm_up + depth.count {
        let start = Instant::now();
        port.send(number);
        assert_eq!(port.receive(), !number);
        if number >= depth.warm_up {
            times.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
    }
    // The other may go.
    stream.write_all(&[0]).unwrap();
    times.sort_unstable();
    let at = |percent: usize| f64::from(times[(times.len() - 1) * percent / 100]) / 2.0;
    Round { p50: at(50), p99: at(99) }
}

/// What the other process does.
fn answer(kind: &str, size: usize, count: u64, place: &str) {
    let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    // Only the parent knows what it may use besides its own: any but that.
    let own = processors()[0];
    let mut others = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|cpu| *cpu != own).for_each(|cpu| others.set(cpu));
    sched_setaffinity(None, &others).unwrap();
    pin(0);
    match kind {
        "ring" => pong(ours::Ring::accept(&mut stream, size), &mut stream, count),
        _ => pong(iceoryx::Link::new(place.as_ref(), size, false), &mut stream, count),
    }
}

fn pong(mut port: impl Port, stream: &mut UnixStream, count: u64) {
    stream.write_all(&[0]).unwrap();
    for _ in 0..count {
        let number = port.receive();
        port.send(!number);
    }
    stream.read_exact(&mut [0]).unwrap();
}

/// Prints the table; says whether what must hold does.
fn report(rounds: &[[Vec<Round>; KINDS.len()]], depth: Depth) -> bool {
    let Depth { rounds: number, count, .. } = depth;
    println!(
        "One hand-over between two processes in ns: half of a round trip, {count} in each of {number} rounds.\n"
    );
    println!("| frame | by       | p50, best | p50, worst | p99, best | to iceoryx2 |");
    println!("|-------|----------|----------:|-----------:|----------:|------------:|");
    let mut best = Vec::new();
    for ((name, _), row) in SIZES.iter().zip(rounds) {
        let low =
            |rounds: &[Round], of: fn(&Round) -> f64| rounds.iter().map(of).fold(f64::INFINITY, f64::min);
        let medians = [low(&row[0], |round| round.p50), low(&row[1], |round| round.p50)];
        for ((kind, rounds), median) in KINDS.iter().zip(row).zip(medians) {
            let worst = rounds.iter().map(|round| round.p50).fold(0.0, f64::max);
            let p99 = low(rounds, |round| round.p99);
            let ratio = median / medians[1];
            let by = kind.name();
            println!("| {name:5} | {by:8} | {median:9.1} | {worst:10.1} | {p99:9.1} | {ratio:10.2}x |");
        }
        best.push(medians);
    }
    let claims = [
        ("64 B: the ring takes no longer than iceoryx2", best[0][0] / best[0][1], 1.0),
        ("4 KiB: the ring takes no longer than iceoryx2", best[1][0] / best[1][1], 1.0),
        ("the ring: 8 MiB take no more than twice as long as 64 B", best[2][0] / best[0][0], 2.0),
    ];
    println!();
    for (claim, ratio, limit) in claims {
        println!("{}: {claim} ({ratio:.2} of at most {limit:.1})", if ratio <= limit { "yes" } else { "NO" });
    }
    claims.iter().all(|(_, ratio, limit)| ratio <= limit)
}
