//! A client that is killed at any point leaves nothing behind in the compositor.

// A test that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod support;

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::SealFlags;
use rustix::process::Signal;
use support::raw::memfd;
use support::wire::{Arg, Wire, message};
use support::{Counters, Host, Process, Witness, eventually};

/// How far a client gets before it is killed; each includes those before it. None waits for an answer
/// except where it must, so the requests are still on their way when the end comes.
const POINTS: [&str; 14] = [
    "connected",
    "bound",
    "pool made",
    "buffer made",
    "window configured",
    "attached",
    "frame asked for",
    "feedback asked for",
    "committed",
    "viewport made",
    "subsurface committed, and waiting for its parent",
    "its record asked for",
    "half a request sent",
    "an fd sent without its request",
];

/// Connects and goes as far as `point`.
fn go(socket: &Path, point: usize) -> io::Result<Wire> {
    let mut wire = Wire::connect(socket);
    if point == 0 {
        return Ok(wire);
    }
    let shm = wire.bind("wl_shm", 1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let new = |wire: &mut Wire, interface, object, opcode, rest: &[Arg<'_>]| {
        wire.create(interface, object, opcode, rest)
    };
    let steps = point;
    if steps < 2 {
        return Ok(wire);
    }
    let pool = wire.pool(shm, memory.as_fd(), 4096)?;
    if steps < 3 {
        return Ok(wire);
    }
    // offset, width, height, stride, XRGB8888
    let layout = [Arg::Int(0), Arg::Int(32), Arg::Int(32), Arg::Int(128), Arg::Uint(1)];
    let buffer = new(&mut wire, "wl_buffer", pool, 0, &layout)?;
    if steps < 4 {
        return Ok(wire);
    }
    let (surface, _) = wire.window().map_err(|ended| io::Error::other(format!("{ended:?}")))?;
    if steps < 5 {
        return Ok(wire);
    }
    let attach = |wire: &mut Wire, surface| {
        wire.send(surface, 1, &[Arg::Uint(buffer), Arg::Int(0), Arg::Int(0)])?;
        wire.send(surface, 2, &[Arg::Int(0), Arg::Int(0), Arg::Int(32), Arg::Int(32)])
    };
    attach(&mut wire, surface)?;
    if steps < 6 {
        return Ok(wire);
    }
    new(&mut wire, "wl_callback", surface, 3, &[])?;
    if steps < 7 {
        return Ok(wire);
    }
    let presentation = wire.bind("wp_presentation", 1);
    let feedback = wire.new_id("wp_presentation_feedback");
    wire.send(presentation, 1, &[Arg::Uint(surface), Arg::Uint(feedback)])?;
    if steps < 8 {
        return Ok(wire);
    }
    wire.send(surface, 6, &[])?;
    if steps < 9 {
        return Ok(wire);
    }
    let viewporter = wire.bind("wp_viewporter", 1);
    let viewport = new(&mut wire, "wp_viewport", viewporter, 1, &[Arg::Uint(surface)])?;
    wire.send(viewport, 2, &[Arg::Int(50), Arg::Int(50)])?;
    if steps < 10 {
        return Ok(wire);
    }
    let (compositor, subcompositor) = (wire.bind("wl_compositor", 4), wire.bind("wl_subcompositor", 1));
    let child = new(&mut wire, "wl_surface", compositor, 0, &[])?;
    new(&mut wire, "wl_subsurface", subcompositor, 1, &[Arg::Uint(child), Arg::Uint(surface)])?;
    attach(&mut wire, child)?;
    new(&mut wire, "wl_callback", child, 3, &[])?;
    wire.send(child, 6, &[])?;
    if steps < 11 {
        return Ok(wire);
    }
    let ledger = wire.bind("selkie_ledger_manager_v1", 1);
    new(&mut wire, "selkie_buffer_record_v1", ledger, 1, &[Arg::Uint(buffer)])?;
    if steps < 12 {
        return Ok(wire);
    }
    let another = wire.new_id("wl_shm_pool");
    let request = message(shm, 0, &[Arg::Uint(another), Arg::Int(4096)]);
    let (half, fds) = (&request[..7], [memory.as_fd()]);
    if steps < 13 {
        io::Write::write_all(&mut wire.stream, half)?;
    } else {
        wire.send_fds(half, &fds)?;
    }
    Ok(wire)
}

/// Connections of one process, which all end at once when it is killed.
const AT_ONCE: usize = 10;

/// Not a test: the process that is to be killed, started by the one below. It makes its connections, each
/// up to the point that it is told, and kills itself.
#[test]
#[ignore = "started by another test"]
fn a_client_that_is_to_be_killed() {
    let Some(socket) = std::env::var_os("SELKIE_TEST_SOCKET").map(PathBuf::from) else { return };
    let points = std::env::var("SELKIE_TEST_POINTS").unwrap();
    let wires: Vec<Wire> =
        points.split(',').map(|point| go(&socket, point.parse().unwrap()).unwrap()).collect();
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, Signal::KILL).unwrap();
    drop(wires);
}

fn killed_client(host: &Host, points: &[usize]) -> Process {
    let mut command = host.command(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "a_client_that_is_to_be_killed"]);
    let points: Vec<String> = points.iter().map(ToString::to_string).collect();
    command.env("SELKIE_TEST_SOCKET", host.socket()).env("SELKIE_TEST_POINTS", points.join(","));
    host.spawn(command)
}

/// Numbers that look random and are the same every time (xorshift, Marsaglia 2003).
fn numbers(mut seed: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_with(move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 32) as usize
    })
}

/// What 1,000 connections may leave: the ledger remembers the last thousand clients by a line each.
/// A connection that left its buffers alone (8 KiB) would come to four times that.
const GROWTH: u64 = 2 << 20;

#[test]
fn a_thousand_clients_killed_at_any_point_leave_nothing() {
    let host = Host::selkie(&["--policy", "guard", "--refresh", "0"]);
    let mut bystander = Witness::new(&host.socket());
    let mut points = numbers(0x5e1c1e);
    let mut kill = |count: usize, first: &[usize]| {
        let mut chosen = first.to_vec();
        chosen.extend(points.by_ref().map(|n| n % POINTS.len()).take(count - first.len()));
        for points in chosen.chunks(AT_ONCE) {
            let mut client = killed_client(&host, points);
            let signal = std::os::unix::process::ExitStatusExt::signal(&client.wait());
            let names: Vec<_> = points.iter().map(|point| POINTS[*point]).collect();
            assert_eq!(signal, Some(9), "{names:?}: {}", client.log());
        }
        bystander.goes_on();
    };
    let maps = host.process.counters().shared_maps;
    let targets = || Counters::fd_targets(host.process.pid());
    // What is allocated once is allocated now, and at every point at least once.
    let before = targets();
    kill(100, &std::array::from_fn::<_, { POINTS.len() }, _>(|point| point));
    let settled = |what: &str| {
        eventually(what, || {
            let (open, mapped) = (targets(), host.process.counters().shared_maps);
            if open == before && mapped == maps {
                Ok(())
            } else {
                Err(format!("{mapped} mappings, {open:?}"))
            }
        });
    };
    settled("what 100 clients left to go");
    let warm = host.process.counters();
    kill(1000, &[]);
    settled("what 1,000 clients left to go");
    let after = host.process.counters();
    let grown = after.resident.saturating_sub(warm.resident);
    eprintln!("{grown} bytes more are resident than after the first hundred");
    assert!(grown <= GROWTH, "{grown} bytes more are resident");
}
