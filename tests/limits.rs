//! What one client may have: each limit ends that client with an error that names it, and nobody else
//! notices.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::fs::SealFlags;
use support::raw::{Ended, memfd};
use support::wire::{Arg, Wire, message};
use support::{Counters, Host, RuntimeDir, Witness, eventually, require_programs};

const CREATE_SURFACE: u16 = 0;
const CREATE_REGION: u16 = 1;
const COMMIT: u16 = 6;

fn host() -> (Host, Witness) {
    let host = Host::selkie(&["--refresh", "0"]);
    let bystander = Witness::new(&host.socket());
    (host, bystander)
}

/// `wl_display.error.no_memory`.
fn no_memory(message: &str) -> Ended {
    Ended::Error { interface: "wl_display".into(), object: 1, code: 2, message: message.into() }
}

/// Does one thing after the other until the connection ends, which must come right after `allowed`.
///
/// Requests are on their way while the server works, so the connection is asked for its state now and
/// then, and how many were allowed is told by asking before the last.
fn one_too_many(
    wire: &mut Wire,
    allowed: usize,
    mut another: impl FnMut(&mut Wire) -> io::Result<()>,
) -> Ended {
    for n in 0..allowed {
        another(wire).unwrap();
        // Neither side's socket is to fill up.
        if n % 256 == 255 {
            wire.roundtrip().unwrap();
        }
    }
    wire.roundtrip().unwrap();
    // Where a thing takes several requests, an early one may be the one too many. The socket is closed to
    // the rest then; why can still be read.
    if let Err(e) = another(wire) {
        assert!(matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{e}");
    }
    wire.ended()
}

#[test]
fn pools() {
    let (host, mut bystander) = host();
    let before = Counters::fd_targets(host.process.pid());
    let mut wire = Wire::connect(&host.socket());
    let shm = wire.bind("wl_shm", 1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let end = one_too_many(&mut wire, 4096, |wire| wire.pool(shm, memory.as_fd(), 4096).map(drop));
    assert_eq!(end, no_memory("more than 4096 pools at a time"));
    drop(wire);
    bystander.goes_on();
    eventually("its fds to be closed", || {
        let open = Counters::fd_targets(host.process.pid());
        if open == before { Ok(()) } else { Err(format!("{open:?}")) }
    });
}

#[test]
fn a_pool_that_is_destroyed_does_not_count_and_one_with_buffers_does() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let shm = wire.bind("wl_shm", 1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let pool = |wire: &mut Wire, with_buffer: bool| {
        let pool = wire.pool(shm, memory.as_fd(), 4096)?;
        if with_buffer {
            buffer(wire, pool)?;
        }
        wire.send(pool, 1, &[])
    };
    for n in 0..5000 {
        pool(&mut wire, false).unwrap();
        if n % 256 == 255 {
            wire.roundtrip().unwrap();
        }
    }
    // The buffers keep the memory.
    let end = one_too_many(&mut wire, 4096, |wire| pool(wire, true));
    assert_eq!(end, no_memory("more than 4096 pools at a time"));
    bystander.goes_on();
}

/// A buffer of 8x8 pixels.
fn buffer(wire: &mut Wire, pool: u32) -> io::Result<()> {
    let layout = [Arg::Int(0), Arg::Int(8), Arg::Int(8), Arg::Int(32), Arg::Uint(1)];
    wire.create("wl_buffer", pool, 0, &layout).map(drop)
}

#[test]
fn buffers() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let shm = wire.bind("wl_shm", 1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let pool = wire.pool(shm, memory.as_fd(), 4096).unwrap();
    let end = one_too_many(&mut wire, 16384, |wire| buffer(wire, pool));
    assert_eq!(end, no_memory("more than 16384 buffers at a time"));
    bystander.goes_on();
}

#[test]
fn surfaces() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let compositor = wire.bind("wl_compositor", 4);
    let end = one_too_many(&mut wire, 8192, |wire| {
        wire.create("wl_surface", compositor, CREATE_SURFACE, &[]).map(drop)
    });
    assert_eq!(end, no_memory("more than 8192 surfaces at a time"));
    bystander.goes_on();
}

#[test]
fn levels_of_subsurfaces() {
    let (host, mut bystander) = host();
    // From the top down, and from the bottom up.
    for down in [true, false] {
        let mut wire = Wire::connect(&host.socket());
        let compositor = wire.bind("wl_compositor", 4);
        let subcompositor = wire.bind("wl_subcompositor", 1);
        let mut last = wire.create("wl_surface", compositor, CREATE_SURFACE, &[]).unwrap();
        let end = one_too_many(&mut wire, 64, |wire| {
            let next = wire.create("wl_surface", compositor, CREATE_SURFACE, &[])?;
            let (child, parent) = if down { (next, last) } else { (last, next) };
            last = next;
            wire.create("wl_subsurface", subcompositor, 1, &[Arg::Uint(child), Arg::Uint(parent)])
                .map(drop)?;
            // What is linked is a tree once the parent's commit has made it one.
            wire.send(parent, COMMIT, &[])
        });
        assert_eq!(end, no_memory("more than 64 levels of subsurfaces"), "down: {down}");
        bystander.goes_on();
    }
}

#[test]
fn frame_callbacks_and_feedback() {
    let (host, mut bystander) = host();
    // Of a surface that is not shown; committed; and cached until its parent is committed.
    for place in ["pending", "current", "cached"] {
        for what in ["frame callbacks", "presentation feedbacks"] {
            let mut wire = Wire::connect(&host.socket());
            let compositor = wire.bind("wl_compositor", 4);
            let presentation = wire.bind("wp_presentation", 1);
            let surface = wire.create("wl_surface", compositor, CREATE_SURFACE, &[]).unwrap();
            if place == "cached" {
                let subcompositor = wire.bind("wl_subcompositor", 1);
                let parent = wire.create("wl_surface", compositor, CREATE_SURFACE, &[]).unwrap();
                let args = [Arg::Uint(surface), Arg::Uint(parent)];
                wire.create("wl_subsurface", subcompositor, 1, &args).unwrap();
            }
            if (place, what) != ("pending", "frame callbacks")
                && what != "frame callbacks"
                && place != "pending"
            {
                // A later commit takes the place of an earlier one: its feedback is discarded.
                continue;
            }
            let end = one_too_many(&mut wire, 16384, |wire| {
                if what == "frame callbacks" {
                    wire.create("wl_callback", surface, 3, &[])?;
                } else {
                    let feedback = wire.new_id("wp_presentation_feedback");
                    wire.send(presentation, 1, &[Arg::Uint(surface), Arg::Uint(feedback)])?;
                }
                if place == "pending" { Ok(()) } else { wire.send(surface, COMMIT, &[]) }
            });
            assert_eq!(end, no_memory(&format!("more than 16384 {what} wait on a surface")), "{place}");
            bystander.goes_on();
        }
    }
}

#[test]
fn objects_of_all_kinds() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let compositor = wire.bind("wl_compositor", 4);
    let mut ended = None;
    // They are counted now and then, so it can be some more than allowed.
    for _ in 0..(1 << 17) / 256 + 300 {
        for _ in 0..256 {
            if wire.create("wl_region", compositor, CREATE_REGION, &[]).is_err() {
                break;
            }
        }
        if let Err(end) = wire.roundtrip() {
            ended = Some(end);
            break;
        }
    }
    assert_eq!(ended, Some(no_memory("more than 131072 objects at a time")));
    bystander.goes_on();
}

#[test]
fn fds_that_no_request_takes() {
    let (host, mut bystander) = host();
    let before = host.process.counters().fds;
    let mut wire = Wire::connect(&host.socket());
    let memory = memfd(4096, None);
    let mut ended = None;
    for _ in 0..1000 {
        let callback = wire.new_id("wl_callback");
        let sync = message(1, 0, &[Arg::Uint(callback)]);
        if wire.send_fds(&sync, &[memory.as_fd()]).is_err() {
            ended = Some(wire.wait_for_end());
            break;
        }
        if let Err(end) = wire.roundtrip() {
            ended = Some(end);
            break;
        }
    }
    assert_eq!(ended, Some(no_memory("more than 64 fds were sent with requests that take none")));
    drop(wire);
    bystander.goes_on();
    eventually("its fds to be closed", || {
        let open = host.process.counters().fds;
        if open == before { Ok(()) } else { Err(format!("{open} are open, {before} were")) }
    });
}

/// A client that asks and never reads the answers. What is unread fills its socket first, then the
/// megabyte that is kept for it.
#[test]
fn events_that_are_not_read() {
    let (host, mut bystander) = host();
    let mut wire = Wire::connect(&host.socket());
    let warm = host.process.counters().resident;
    let sent = (0..4000).try_for_each(|_| {
        let mut syncs = Vec::new();
        for _ in 0..100 {
            syncs.extend(message(1, 0, &[Arg::Uint(wire.new_id("wl_callback"))]));
        }
        wire.stream.write_all(&syncs)?;
        // It has been dealt with when somebody else has had a turn.
        bystander.goes_on();
        Ok::<_, io::Error>(())
    });
    // There is no room for an error message.
    assert!(
        sent.is_err_and(|e| matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset))
    );
    let grown = host.process.counters().resident.saturating_sub(warm);
    assert!(grown < 8 << 20, "{grown} bytes more are resident");
    bystander.goes_on();
}

/// A client that never pauses. Others are served meanwhile, and it is ended.
#[test]
fn a_flood_of_requests() {
    for flood in ["wl_display.sync", "wl_surface.damage"] {
        let (host, mut bystander) = host();
        let mut wire = Wire::connect(&host.socket());
        let compositor = wire.bind("wl_compositor", 4);
        let surface = wire.create("wl_surface", compositor, CREATE_SURFACE, &[]).unwrap();
        wire.roundtrip().unwrap();
        // Its events are read, so that it is the flood that ends it.
        let mut stream = wire.stream.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut part = vec![0; 1 << 16];
            while stream.read(&mut part).is_ok_and(|n| n > 0) {}
        });
        // Made beforehand: it has to be sent faster than the compositor takes it, or its socket is empty now and then.
        let count = if flood == "wl_display.sync" { 1 << 21 } else { 1 << 12 };
        let mut requests = Vec::new();
        for n in 0..count {
            requests.extend(match flood {
                "wl_display.sync" => message(1, 0, &[Arg::Uint(wire.new_id("wl_callback"))]),
                _ => message(surface, 2, &[Arg::Int(n), Arg::Int(2 * n), Arg::Int(1), Arg::Int(1)]),
            });
        }
        let flooder = std::thread::spawn(move || {
            loop {
                if let Err(e) = wire.stream.write_all(&requests) {
                    return e.kind();
                }
                // The same numbers again would be a mistake, which ends a client at once.
                assert_eq!(flood, "wl_surface.damage", "all of it was taken");
            }
        });
        while !flooder.is_finished() {
            bystander.goes_on();
        }
        let end = flooder.join().unwrap();
        assert!(matches!(end, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{flood}: {end}");
        reader.join().unwrap();
        bystander.goes_on();
    }
}

/// With few fds, one client cannot have them all, and when several do, newcomers are turned away without a
/// pause in anybody's service.
#[test]
fn few_fds() {
    require_programs!("prlimit");
    let dir = RuntimeDir::new();
    let mut command = dir.command("prlimit");
    command.args(["--nofile=128:128", env!("CARGO_BIN_EXE_selkie"), "compositor", "--backend", "headless"]);
    command.args(["--socket", "few", "--refresh", "0"]);
    let mut process = dir.spawn("selkie", command);
    let socket = dir.path().join("few");
    support::process::wait_for_socket(&mut process, &socket);
    let mut bystander = Witness::new(&socket);

    let mut wire = Wire::connect(&socket);
    let shm = wire.bind("wl_shm", 1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let end = one_too_many(&mut wire, 64, |wire| wire.pool(shm, memory.as_fd(), 4096).map(drop));
    assert_eq!(end, no_memory("more than 64 pools at a time"));
    bystander.goes_on();

    let crowd: Vec<_> = (0..100).map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap()).collect();
    for stream in &crowd {
        // Some are in and hear nothing, some are turned away; all are dealt with.
        stream.set_nonblocking(true).unwrap();
    }
    for _ in 0..10 {
        bystander.goes_on();
    }
    let turned_away =
        crowd.iter().filter(|stream| (&**stream).read(&mut [0; 8]).is_ok_and(|n| n == 0)).count();
    assert!((1..100).contains(&turned_away), "{turned_away} of 100 were turned away");
    drop(crowd);
    // It takes a moment until their fds are free again.
    eventually("a newcomer to be served", || {
        Wire::try_connect(&socket).map_err(|ended| format!("{ended:?}"))
    });
    bystander.goes_on();
    process.assert_alive();
}
