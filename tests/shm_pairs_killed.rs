//! `selkie shm`'s pairs, with either side killed at any point, 200 times each: nobody waits for ever, and what is left is what
//! the mechanism itself leaves.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use support::chance::Chance;
use support::pairs::Stand;
use support::{Process, require_devices};

const ROUNDS: u32 = 200;
/// In the guest, whose processor is emulated.
const ROUNDS_IN_THE_GUEST: u32 = 40;

/// A pair, and how to see in what its writer has said whether there must be something left of it.
struct Pair {
    writer: &'static str,
    reader: &'static str,
    /// The call that makes what stays, and the one that removes it.
    makes: &'static str,
    removes: &'static str,
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

fn kill_either(number: u32, rounds: u32, pair: &Pair) {
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
    let (mut left, mut unsure) = (0, 0);
    for round in 0..rounds {
        let context = format!("{}, round {round}", pair.writer);
        // The writer while it makes the memory; the writer while a reader comes; the reader.
        let mut writer = if round % 3 == 0 {
            let writer = stand.dir.spawn("writer", stand.command(pair.writer));
            chance.pass(Duration::from_millis(20));
            writer
        } else {
            stand.start(pair.writer)
        };
        let mut first = reader(&writer);
        if round % 3 != 0 {
            chance.pass(Duration::from_millis(12));
        }
        if round % 3 == 2 {
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
        // A socket is not memory, and what a process had without a name has gone with it.
        let memory = pair.writer.starts_with("sysv") || pair.writer.starts_with("posix");
        assert_eq!(stand.orphans(), u32::from(found && memory), "{context}");
        (pair.remove)(&stand);
        assert!(!(pair.left)(&stand), "{context}");
    }
    println!("{}: {left} of {rounds} rounds left something, {unsure} ended in the very call", pair.writer);
    assert!(left > 0 || pair.makes.is_empty(), "no writer was killed while it had something");
    assert!(unsure < rounds / 2);
}

#[test]
fn a_killed_side_of_sysv_leaves_at_most_the_segment() {
    kill_either(
        1,
        ROUNDS,
        &Pair {
            writer: "sysv write --key KEY --size 1M -v",
            reader: "sysv read --key KEY",
            makes: "shmget(",
            removes: "IPC_RMID",
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
    kill_either(
        2,
        ROUNDS,
        &Pair {
            writer: "posix write NAME --size 1M -v",
            reader: "posix read NAME",
            makes: "open(",
            removes: "unlinkat",
            left: |stand| stand.object().exists(),
            remove: |stand| drop(std::fs::remove_file(stand.object())),
        },
    );
}

#[test]
fn a_killed_side_of_memfds_over_a_socket_leaves_at_most_the_socket() {
    kill_either(
        3,
        ROUNDS,
        &Pair {
            writer: "memfd send --socket SOCKET --size 1M -v",
            reader: "memfd recv --socket SOCKET",
            makes: "bind(",
            removes: "unlinkat",
            left: |stand| Path::new(&stand.socket).exists(),
            remove: |stand| drop(std::fs::remove_file(&stand.socket)),
        },
    );
}

#[test]
fn a_killed_side_of_a_memfd_that_is_looked_up_leaves_nothing() {
    kill_either(
        4,
        ROUNDS,
        &Pair {
            writer: "memfd export --size 1M",
            reader: "memfd open --pid PID --fd FD",
            makes: "",
            removes: "",
            left: |_| false,
            remove: |_| {},
        },
    );
}

#[test]
fn a_killed_side_of_a_dmabuf_leaves_at_most_the_socket() {
    require_devices!("/dev/udmabuf");
    kill_either(
        5,
        ROUNDS_IN_THE_GUEST,
        &Pair {
            writer: "dmabuf export --socket SOCKET --size 1M -v",
            reader: "dmabuf import --socket SOCKET",
            makes: "bind(",
            removes: "unlinkat",
            left: |stand| Path::new(&stand.socket).exists(),
            remove: |stand| drop(std::fs::remove_file(&stand.socket)),
        },
    );
}
