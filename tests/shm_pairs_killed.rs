//! `selkie shm`'s pairs, with either side killed at any point, 200 times each pair: nobody waits for ever, and what is left is what
//! the mechanism itself leaves.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::chance::Chance;
use support::pairs::Stand;
use support::process::patience;
use support::{Process, require_devices};

const ROUNDS: u32 = 200;

/// What is killed in a round: the writer while it makes the memory, the writer while a reader comes, the reader.
const KILLS: [Kill; 3] = [Kill::NewWriter, Kill::Writer, Kill::Reader];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kill {
    NewWriter,
    Writer,
    Reader,
}

/// A pair, and how to see in what its writer has said whether there must be something left of it.
struct Pair {
    writer: &'static str,
    reader: &'static str,
    /// The call that makes what stays, and the one that removes it.
    makes: &'static str,
    removes: &'static str,
    /// Whether it is memory, which `ls` has to show. (A socket is none, and what a process had without a name has gone with it.)
    memory: bool,
    /// Whether it is there.
    left: fn(&Stand) -> bool,
    remove: fn(&Stand),
}

/// What a killed writer must have left: `None` if it was killed in the very call, and either may be.
fn expected(pair: &Pair, log: &str) -> Option<bool> {
    let line = |call: &str| log.lines().find(|line| line.starts_with("  ") && line.contains(call));
    let done = |line: &str| line.contains(" = ");
    if pair.makes.is_empty() {
        return Some(false);
    }
    match (line(pair.makes), line(pair.removes)) {
        (None, _) => Some(false),
        (Some(made), _) if !done(made) => None,
        (_, None) => Some(true),
        (_, Some(removed)) if !done(removed) => None,
        _ => Some(false),
    }
}

/// As many rounds as there are, less those that kill another side.
fn kill(number: u32, sides: &[Kill], pair: &Pair) {
    let stand = Stand::new(number);
    let mut chance = Chance::new(0x5e1_5e1 + u64::from(number));
    let reader = |writer: &Process| {
        let pid = writer.pid().as_raw_nonzero();
        let log = writer.log();
        let fd = log
            .split_once(&format!("/proc/{pid}/fd/"))
            .map_or("9", |(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap());
        let line = pair.reader.replace("PID", &pid.to_string()).replace("FD", fd);
        stand.dir.spawn("reader", stand.command(&line))
    };
    // 12 ms, and more where everything takes longer.
    let soon = patience() / 2500;
    // How long a writer takes until it is ready, once it has been read from the disk: it is killed at any point of that.
    let start = || {
        let begun = Instant::now();
        stand.start(pair.writer).kill();
        let took = begun.elapsed();
        (pair.remove)(&stand);
        took
    };
    let start = if sides.contains(&Kill::NewWriter) { start().min(start()) } else { Duration::ZERO };
    let (mut left, mut unsure) = (0, 0);
    let rounds = (0..ROUNDS).zip(KILLS.into_iter().cycle()).filter(|(_, kill)| sides.contains(kill));
    for (round, kill) in rounds.clone() {
        let context = format!("{}, round {round}", pair.writer);
        let mut writer = if kill == Kill::NewWriter {
            let writer = stand.dir.spawn("writer", stand.command(pair.writer));
            chance.pass(start);
            writer
        } else {
            stand.start(pair.writer)
        };
        let mut first = reader(&writer);
        if kill != Kill::NewWriter {
            chance.pass(soon);
        }
        if kill == Kill::Reader {
            first.kill();
            // The pair goes on: with the next reader, or it has ended already because of the first.
            let mut second = reader(&writer);
            let code = second.wait().code();
            assert!(code == Some(0) || code == Some(1), "{context}: {}", second.log());
            let code = writer.wait().code();
            assert!(code == Some(0) || code == Some(1), "{context}: {}", writer.log());
            assert!(!(pair.left)(&stand), "{context}: {}", writer.log());
            continue;
        }
        writer.signal(Signal::KILL);
        writer.wait();
        let code = first.wait().code();
        assert!(code == Some(0) || code == Some(1), "{context}: {}", first.log());
        let found = (pair.left)(&stand);
        match expected(pair, &writer.log()) {
            Some(expected) => assert_eq!(found, expected, "{context}: {}", writer.log()),
            None => unsure += 1,
        }
        left += u32::from(found);
        if pair.memory {
            assert_eq!(stand.orphans(), u32::from(found), "{context}");
        }
        (pair.remove)(&stand);
        assert!(!(pair.left)(&stand), "{context}");
    }
    let rounds = rounds.count();
    println!("{}: {left} of {rounds} rounds left something, {unsure} ended in the very call", pair.writer);
    let sure = pair.makes.is_empty() || !sides.contains(&Kill::Writer);
    assert!(left > 0 || sure, "no writer was killed while it had something");
    assert!(unsure <= rounds / 2);
}

#[test]
fn a_killed_side_of_sysv_leaves_at_most_the_segment() {
    kill(
        1,
        &KILLS,
        &Pair {
            writer: "sysv write --key KEY --size 1M -v",
            reader: "sysv read --key KEY",
            makes: "shmget(",
            removes: "IPC_RMID",
            memory: true,
            left: |stand| stand.segment().is_some(),
            remove: |stand| {
                let Some(segment) = stand.segment() else { return };
                assert_eq!(segment.stat().unwrap().attached, 0);
                segment.remove().unwrap();
            },
        },
    );
}

#[test]
fn a_killed_side_of_posix_leaves_at_most_the_name() {
    kill(
        2,
        &KILLS,
        &Pair {
            writer: "posix write NAME --size 1M -v",
            reader: "posix read NAME",
            makes: "open(",
            removes: "unlinkat",
            memory: true,
            left: |stand| stand.object().exists(),
            remove: |stand| drop(std::fs::remove_file(stand.object())),
        },
    );
}

#[test]
fn a_killed_side_of_memfds_over_a_socket_leaves_at_most_the_socket() {
    kill(
        3,
        &KILLS,
        &Pair {
            writer: "memfd send --socket SOCKET --size 1M -v",
            reader: "memfd recv --socket SOCKET",
            makes: "bind(",
            removes: "unlinkat",
            memory: false,
            left: |stand| Path::new(&stand.socket).exists(),
            remove: |stand| drop(std::fs::remove_file(&stand.socket)),
        },
    );
}

#[test]
fn a_killed_side_of_a_memfd_that_is_looked_up_leaves_nothing() {
    kill(
        4,
        &KILLS,
        &Pair {
            writer: "memfd export --size 1M",
            reader: "memfd open --pid PID --fd FD",
            makes: "",
            removes: "",
            memory: false,
            left: |_| false,
            remove: |_| {},
        },
    );
}

/// In the guest, whose processor is emulated, all rounds would take too long for one test, and looking at more bytes, too.
fn kill_of_dmabuf(number: u32, sides: &[Kill]) {
    kill(
        number,
        sides,
        &Pair {
            writer: "dmabuf export --socket SOCKET --size 64K -v",
            reader: "dmabuf import --socket SOCKET",
            makes: "bind(",
            removes: "unlinkat",
            memory: false,
            left: |stand| Path::new(&stand.socket).exists(),
            remove: |stand| drop(std::fs::remove_file(&stand.socket)),
        },
    );
}

#[test]
fn a_killed_exporter_of_a_dmabuf_leaves_at_most_the_socket() {
    require_devices!("/dev/udmabuf");
    kill_of_dmabuf(5, &[Kill::Writer]);
}

#[test]
fn an_exporter_killed_while_it_makes_a_dmabuf_leaves_at_most_the_socket() {
    require_devices!("/dev/udmabuf");
    kill_of_dmabuf(6, &[Kill::NewWriter]);
}

#[test]
fn a_killed_importer_of_a_dmabuf_leaves_nothing() {
    require_devices!("/dev/udmabuf");
    kill_of_dmabuf(7, &[Kill::Reader]);
}
