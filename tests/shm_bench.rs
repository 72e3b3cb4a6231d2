//! `selkie shm bench`: every transport is measured at every size, by messages that arrive; what cannot be done is said at the
//! start; and when one of the two processes is killed, the other ends, and nothing is left behind.

#![deny(unsafe_code)]
// A test that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CpuSet;
use serde_json::Value;
use support::{Process, RuntimeDir, eventually};

/// All of them, in the order in which they are shown.
const TRANSPORTS: [&str; 9] =
    ["pipe", "unix", "posix", "sysv", "memfd", "file", "ring", "ring-handover", "fd"];
/// Those that copy nothing.
const HANDED_OVER: [&str; 2] = ["ring-handover", "fd"];

fn bench(dir: &RuntimeDir, args: &[&str]) -> Command {
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["shm", "bench"]).args(args).env("SELKIE_LOG", "error").env("RUST_BACKTRACE", "0");
    command
}

fn run(dir: &RuntimeDir, args: &[&str]) -> (Option<i32>, String, String) {
    let mut process = Process::spawn_piped("bench", bench(dir, args), dir.path().parent().unwrap());
    let (status, out) = process.wait_for_output();
    (status.code(), out, process.log())
}

fn json(dir: &RuntimeDir, args: &[&str]) -> Value {
    let (code, out, err) = run(dir, &[args, &["--format", "json"]].concat());
    // Standard error is no terminal here: there is no bar.
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

/// Least, median and greatest, in order, and more than nothing.
fn spread(value: &Value) -> [f64; 3] {
    let [min, median, max] = ["min", "median", "max"].map(|key| value[key].as_f64().unwrap());
    assert!(0.0 < min && min <= median && median <= max, "{value}");
    [min, median, max]
}

#[test]
fn everything_is_measured() {
    let dir = RuntimeDir::new();
    let report = json(
        &dir,
        &["--size", "64", "--size", "100000", "--rounds", "3", "--seconds", "1", "--messages", "20"],
    );
    let lines = report["results"].as_array().unwrap();
    let got: Vec<_> = lines
        .iter()
        .map(|line| (line["size"].as_u64().unwrap(), line["transport"].as_str().unwrap()))
        .collect();
    let wanted: Vec<_> = [64, 100_000].iter().flat_map(|&size| TRANSPORTS.map(|name| (size, name))).collect();
    assert_eq!(got, wanted);
    for line in lines {
        let (p50, p99) = (spread(&line["latency"]["p50_ns"]), spread(&line["latency"]["p99_ns"]));
        assert!(p50.iter().zip(&p99).all(|(p50, p99)| p50 <= p99), "{line}");
        let counted = |what: &str| line[what]["messages"].as_u64().unwrap();
        // In each of three rounds at least one, and no more than was said.
        assert!((3..=60).contains(&counted("latency")), "{line}");
        assert!((3..=60).contains(&counted("throughput")), "{line}");
        let rate = spread(&line["throughput"]["messages_per_second"]);
        let handed_over = HANDED_OVER.contains(&line["transport"].as_str().unwrap());
        assert_eq!(line["copied"], !handed_over);
        if handed_over {
            assert!(line["throughput"]["bytes_per_second"].is_null(), "{line}");
        } else {
            let bytes = spread(&line["throughput"]["bytes_per_second"]);
            let size = line["size"].as_f64().unwrap();
            assert!((bytes[1] / (rate[1] * size) - 1.0).abs() < 1e-9, "{line}");
        }
    }
    assert_eq!(report["rounds"], 3);
}

#[test]
fn what_is_asked_for_twice_is_measured_once() {
    let dir = RuntimeDir::new();
    let args = [
        "--size",
        "4K",
        "--size",
        "4096",
        "--transport",
        "unix",
        "--transport",
        "pipe",
        "--transport",
        "unix",
    ];
    let report = json(&dir, &[&args[..], &["--rounds", "1", "--seconds", "0.1"]].concat());
    let names: Vec<_> =
        report["results"].as_array().unwrap().iter().map(|line| line["transport"].clone()).collect();
    assert_eq!(names, ["unix", "pipe"]);
}

#[test]
fn the_table_has_a_row_for_each_and_says_what_was_done() {
    let dir = RuntimeDir::new();
    let (code, out, err) = run(&dir, &["--size", "64", "--size", "1M", "--rounds", "1", "--messages", "3"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let rows = |word: &str, how: &str| {
        let is_row =
            |line: &&str| line.contains(&format!(" {word} ")) && line.contains(how) && line.contains('│');
        out.lines().filter(is_row).count()
    };
    for transport in TRANSPORTS {
        let how = if HANDED_OVER.contains(&transport) { " handed over " } else { " copied " };
        assert_eq!(rows(transport, how), 2, "{transport}:\n{out}");
        let legend = out.lines().any(|line| line.starts_with(transport) && line.contains("  "));
        assert!(legend, "{transport} is not explained:\n{out}");
    }
    for text in [
        " 64 B ┆ pipe ",
        " 1 MiB ┆ pipe ",
        "two processes",
        "1 round.",
        "p50",
        "p99",
        "only the first and last eight bytes",
    ] {
        assert!(out.contains(text), "{text:?} is not in:\n{out}");
    }
}

#[test]
fn the_plot_is_an_svg_with_every_line() {
    let dir = RuntimeDir::new();
    let file = dir.path().join("plot.svg");
    // What was there before, and is longer, is replaced.
    fs::write(&file, vec![b'x'; 1 << 20]).unwrap();
    let args = ["--size", "64", "--size", "4K", "--rounds", "1", "--messages", "5", "--plot"];
    let (code, _, err) = run(&dir, &[&args[..], &[file.to_str().unwrap()]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let svg = fs::read_to_string(&file).unwrap();
    let tags = well_formed(&svg);
    assert_eq!(tags.iter().filter(|tag| *tag == "svg").count(), 1);
    // Two charts, each with a line for each transport and one beside its name.
    let colors: BTreeSet<&str> = lines(&svg).map(|line| attribute(line, "stroke")).collect();
    assert_eq!(colors.len(), TRANSPORTS.len(), "{colors:?}");
    for color in colors {
        let of_it: Vec<&str> = lines(&svg).filter(|line| attribute(line, "stroke") == color).collect();
        let points = |line: &&str| attribute(line, "points").split_whitespace().count();
        assert_eq!(of_it.len(), 4, "{color}");
        assert!(of_it.iter().all(|line| points(line) == 2), "{of_it:?}");
    }
    let words: Vec<&str> =
        svg.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim()).collect();
    for word in TRANSPORTS.iter().chain(&["64 B", "4 KiB"]) {
        assert_eq!(words.iter().filter(|text| text == &word).count(), 2, "{word}: {words:?}");
    }
}

/// The lines of the charts: those that are two pixels wide.
fn lines(svg: &str) -> impl Iterator<Item = &str> {
    svg.split('<').filter(|tag| tag.starts_with("polyline") && attribute(tag, "stroke-width") == "2")
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let start = format!(" {name}=\"");
    tag.split_once(&start).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(value, _)| value)
}

/// The names of all elements; each that is opened is closed, in order.
fn well_formed(xml: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "{part}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !tag.starts_with(['?', '!']) {
            let name = tag.split([' ', '\n', '/']).next().unwrap().to_owned();
            if !tag.ends_with('/') {
                open.push(name.clone());
            }
            all.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    all
}

#[test]
fn what_cannot_be_done_is_said_at_the_start() {
    let dir = RuntimeDir::new();
    let no_dir = dir.path().join("none");
    let plot = no_dir.join("plot.svg");
    let (plot, no_dir) = (plot.to_str().unwrap(), no_dir.to_str().unwrap());
    let usage: [(&[&str], &str); 6] = [
        (&["--size", "big"], "\"big\" is no size: write a number of bytes, as in 64, 4K or 8M"),
        (&["--size", "0"], "0 is not between 16 (a message carries its number at both ends) and 256M"),
        (&["--size", "1G"], "1G is not between 16 (a message carries its number at both ends) and 256M"),
        (&["--transport", "tcp"], "there is no transport \"tcp\": they are pipe, unix, "),
        (&["--rounds", "0"], "0 is not in 1..=1000"),
        (&["--seconds", "soon"], "write a number of seconds, as in 5 or 0.5"),
    ];
    for (args, sentence) in usage {
        let (code, out, err) = run(&dir, args);
        assert!(err.contains(sentence), "{args:?}: {err}");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
    }
    let failures: [(&[&str], String); 3] = [
        (
            &["--plot", plot],
            format!("cannot write the plot {plot:?}: No such file or directory (os error 2)"),
        ),
        (&["--plot", "/"], "cannot write the plot \"/\": Is a directory (os error 21)".to_owned()),
        (
            &["--transport", "file", "--size", "64", "--dir", no_dir],
            format!(
                "file, 64 B: cannot make a file of 20480 bytes in {no_dir:?}: --dir names another directory: "
            ),
        ),
    ];
    for (args, sentence) in failures {
        let (code, out, err) = run(&dir, args);
        assert!(err.starts_with(&format!("selkie: {sentence}")), "{args:?}: {err}");
        assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}");
    }
}

#[test]
fn a_plot_that_was_not_drawn_leaves_no_file() {
    let dir = RuntimeDir::new();
    let plot = dir.path().join("plot.svg");
    let args = ["--transport", "file", "--dir", "/nowhere", "--plot", plot.to_str().unwrap()];
    assert_eq!(run(&dir, &args).0, Some(1));
    assert!(!plot.exists());
}

#[test]
fn the_other_process_is_not_for_people() {
    let dir = RuntimeDir::new();
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["shm", "bench-peer"]);
    let mut process = Process::spawn("peer", command, dir.path().parent().unwrap());
    assert_eq!(process.wait().code(), Some(1));
    let why = "this command is the other process of `selkie shm bench`, which starts it: run that";
    assert_eq!(process.log(), format!("selkie: {why}\n"));
}

#[test]
fn on_one_cpu_it_works_and_says_so() {
    let dir = RuntimeDir::new();
    let before = rustix::thread::sched_getaffinity(None).unwrap();
    let cpu = (0..CpuSet::MAX_CPU).find(|&cpu| before.is_set(cpu)).unwrap();
    let mut one = CpuSet::new();
    one.set(cpu);
    // What is started from here inherits it.
    rustix::thread::sched_setaffinity(None, &one).unwrap();
    let (code, out, err) = run(&dir, &["--size", "64", "--rounds", "1", "--messages", "10"]);
    rustix::thread::sched_setaffinity(None, &before).unwrap();
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let says =
        format!("two processes on ONE CPU ({cpu}), since this process may use no other: they take turns");
    assert!(out.contains(&says), "{out}");
}

/// Something that is measured for a minute, and the process at its other end.
fn long(dir: &RuntimeDir, transport: &str) -> (Process, Pid) {
    let args = ["--transport", transport, "--size", "4K", "--rounds", "1", "--seconds", "600"];
    let process = Process::spawn("bench", bench(dir, &args), dir.path().parent().unwrap());
    let pid = process.pid().as_raw_nonzero();
    let peer = eventually("the other process", || {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let child: i32 = children.trim().parse().map_err(|_| format!("its children are {children:?}"))?;
        let both = shares(child, transport) && shares(pid.get(), transport);
        if both { Ok(Pid::from_raw(child).unwrap()) } else { Err("not yet both have their ends".to_owned()) }
    });
    (process, peer)
}

/// Whether this process has its end of the transport, as far as can be seen from outside.
fn shares(pid: i32, transport: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    match transport {
        // Its name is gone, so both have it.
        "posix" => maps.lines().any(|line| line.contains("/dev/shm/selkie-") && line.ends_with("(deleted)")),
        "sysv" => maps.contains("/SYSV"),
        "ring" | "ring-handover" => maps.contains("/memfd:selkie-bench-ring"),
        "memfd" => maps.contains("/memfd:selkie-bench"),
        "file" => maps.lines().any(|line| line.contains(" rw-s ") && line.ends_with("(deleted)")),
        // It runs as selkie, not as the process that will.
        _ => fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.contains("bench")),
    }
}

/// Whether it has ended; somebody else may still have to wait for it.
fn ended(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Names of POSIX memory, and segments, that this process has made and left.
fn left_behind(pid: Pid) -> Vec<String> {
    let prefix = format!("selkie-{}-", pid.as_raw_nonzero());
    let Ok(all) = fs::read_dir(Path::new("/dev/shm")) else { return Vec::new() };
    let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let posix = names.filter(|name| name.starts_with(&prefix));
    // Its columns: key, id, mode, size, who made it, ...
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let maker = pid.as_raw_nonzero().to_string();
    let sysv =
        segments.lines().filter(|line| line.split_whitespace().nth(4) == Some(&maker)).map(str::to_owned);
    posix.chain(sysv).collect()
}

#[test]
fn when_the_other_process_is_killed_it_ends_and_says_so() {
    for transport in TRANSPORTS {
        let dir = RuntimeDir::new();
        let (mut process, peer) = long(&dir, transport);
        kill_process(peer, Signal::KILL).unwrap();
        assert_eq!(process.wait().code(), Some(1), "{transport}");
        let how = "the other process has ended (signal: 9 (SIGKILL)) before all was measured";
        assert_eq!(process.log(), format!("selkie: {transport}, 4 KiB: {how}\n"));
        assert_eq!(left_behind(process.pid()), [""; 0], "{transport}");
    }
}

#[test]
fn when_it_is_killed_the_other_process_ends() {
    for transport in TRANSPORTS {
        let dir = RuntimeDir::new();
        let (mut process, peer) = long(&dir, transport);
        process.kill();
        eventually("the other process to end", || {
            if ended(peer) { Ok(()) } else { Err(format!("{transport}: still running")) }
        });
        assert_eq!(left_behind(process.pid()), [""; 0], "{transport}");
    }
}

/// The other process, at one end of a socket that keeps messages apart; what is said to it is said at the other.
fn peer(dir: &RuntimeDir) -> (Child, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["shm", "bench-peer"]).stdin(theirs).stdout(Stdio::null());
    shm_core::process::die_with_parent(&mut command);
    (command.spawn().unwrap(), ours)
}

#[test]
fn when_it_ends_before_the_other_process_has_joined_that_ends_too() {
    let cpu = rustix::thread::sched_getaffinity(None).unwrap();
    let cpu = (0..CpuSet::MAX_CPU).find(|&number| cpu.is_set(number)).unwrap();
    let ends = |mut peer: Child, what: &str| {
        let status = eventually("the other process to end", || {
            peer.try_wait().unwrap().ok_or_else(|| what.to_owned())
        });
        assert_eq!(status.code(), Some(0), "{what}");
    };
    let dir = RuntimeDir::new();
    let (child, ours) = peer(&dir);
    drop(ours);
    ends(child, "no order");
    // What it is to join comes by fds that it never gets.
    for transport in ["pipe", "unix", "memfd", "file", "ring", "ring-handover", "fd"] {
        let (child, ours) = peer(&dir);
        let join =
            serde_json::json!({ "transport": transport, "size": 64, "cpu": cpu, "place": "", "fds": 1 });
        let order = serde_json::json!({ "Join": join }).to_string();
        rustix::net::send(&ours, order.as_bytes(), rustix::net::SendFlags::NOSIGNAL).unwrap();
        drop(ours);
        ends(child, transport);
    }
}
