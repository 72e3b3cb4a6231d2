//! `selkie audit`: its report, its exit status, and how it ends, with programs whose memory is known.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::os::fd::OwnedFd;

use rustix::fs::SealFlags;
use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::Value;
use support::audit::{Audit, Stand, audit, command, finish};
use support::raw::{Ended, Raw, memfd, write_pixels};
use support::{Host, Process, RuntimeDir, eventually, require, require_programs};
use wayland_client::protocol::{wl_buffer, wl_shm, wl_surface};

/// Pixels of a side of the pictures here.
const SIDE: i32 = 64;
/// Bytes of one.
const PICTURE: u64 = 64 * 64 * 4;

/// A window, and memory for two buffers in one pool.
struct Painter {
    raw: Raw,
    surface: wl_surface::WlSurface,
    memory: OwnedFd,
    buffers: [wl_buffer::WlBuffer; 2],
}

impl Painter {
    fn new(stand: &Stand) -> Self {
        let mut raw = Raw::connect(stand.socket());
        let surface = raw.window().unwrap().surface;
        let shm: wl_shm::WlShm = raw.bind(1);
        let memory = memfd(2 * PICTURE, Some(SealFlags::SHRINK));
        let pool = raw.pool(&shm, &memory, 2 * PICTURE as i32);
        let qh = raw.qh();
        let buffers = [0, PICTURE as i32].map(|offset| {
            let buffer = pool.create_buffer(offset, SIDE, SIDE, SIDE * 4, wl_shm::Format::Xrgb8888, &qh, ());
            raw.note(buffer)
        });
        Self { raw, surface, memory, buffers }
    }

    /// Fills a buffer with a colour, but for the first pixels, which get another.
    fn paint(&self, buffer: usize, colour: u32, first: usize) {
        let mut pixels = vec![colour; 64 * 64];
        pixels[..first].fill(!colour & 0xff_ffff);
        write_pixels(&self.memory, buffer as u64 * PICTURE, &pixels);
    }

    /// Shows a buffer with this damage, and waits until it is on the screen.
    fn show(&mut self, buffer: usize, (x, y, w, h): (i32, i32, i32, i32)) {
        self.surface.attach(Some(&self.buffers[buffer]), 0, 0);
        self.surface.damage_buffer(x, y, w, h);
        self.surface.frame(&self.raw.qh(), ());
        self.surface.commit();
        let shown = self.raw.events.log.iter().filter(|e| e.interface == "wl_callback").count();
        self.raw
            .wait("a frame", |events| {
                events.log.iter().filter(|e| e.interface == "wl_callback").count() > shown
            })
            .unwrap();
    }

    /// Waits until a buffer was released so often.
    fn released(&mut self, buffer: usize, times: usize) {
        self.raw.wait_for(&self.buffers[buffer].clone(), times).unwrap();
    }
}

/// The one surface that has shown something.
#[track_caller]
fn surface(audit: &Audit) -> &Value {
    let connection = &audit.report["connections"][0];
    assert_eq!(connection["surfaces"].as_array().map(Vec::len), Some(1), "{:#}\n{}", audit.report, audit.log);
    &connection["surfaces"][0]
}

#[test]
fn a_sealed_program_is_accepted() {
    require_programs!("weston-simple-shm");
    let audit = audit(&["--frames", "5"], &["weston-simple-shm"]);
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
    assert_eq!(audit.connections("weston-simple-shm").len(), 1);
    let pools = audit.pools();
    assert_eq!(pools.len(), 2);
    for pool in pools {
        assert_eq!((&pool["kind"], &pool["seals"]), (&"memfd".into(), &"shrink".into()));
        assert_eq!((&pool["sealing"], &pool["shrink_seal"]), (&"open".into(), &"present".into()));
        assert_eq!(pool["verdict"], "sealed");
        assert_eq!((&pool["claimed"], &pool["file_size"]), (&250_000.into(), &250_000.into()));
        assert_eq!(pool["resident"], 253_952, "whole pages");
        let buffer = &pool["buffers"][0];
        assert_eq!(
            (&buffer["count"], &buffer["stride"], &buffer["format"]),
            (&1.into(), &1000.into(), &"XR24".into())
        );
        assert_eq!(buffer["not_forwarded"], Value::Null);
        assert_eq!(buffer["not_imported"], "253952 bytes at 0 are not within a file of 250000 bytes");
    }
    for policy in ["enforce", "adopt", "copy", "guard"] {
        assert_eq!(audit.report["policies"][policy]["treatment"], "mapped");
    }
    assert_eq!(audit.report["ended"], "had shown 5 frames, and was ended");
    assert_eq!((&audit.report["refused"], &audit.report["advice"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(audit.report["hidden_globals"], serde_json::json!(["selkie_ledger_manager_v1"]));
}

#[test]
fn what_each_policy_says_decides_the_status() {
    let selkie = env!("CARGO_BIN_EXE_selkie");
    let unsealed = [selkie, "client", "--seals", "none", "--frames", "2"];
    let never = [selkie, "client", "--seals", "never", "--frames", "2"];
    for (policy, program, status, treatment) in [
        ("enforce", &unsealed, 1, "refused"),
        ("adopt", &unsealed, 0, "adopted"),
        ("copy", &unsealed, 0, "adopted"),
        ("guard", &unsealed, 0, "guarded"),
        ("enforce", &never, 1, "refused"),
        ("adopt", &never, 1, "refused"),
        ("copy", &never, 0, "copied"),
    ] {
        let audit = audit(&["--policy", policy], program);
        assert_eq!(audit.status.code(), Some(status), "{policy}: {}", audit.log);
        assert_eq!(audit.report["policies"][policy]["treatment"], treatment, "{policy}");
        assert_eq!(audit.report["ended"], "exited with 0");
        // It ran on all the same.
        assert_eq!(audit.pools()[0]["commits"], 2);
    }
}

#[test]
fn says_what_to_change() {
    let selkie = env!("CARGO_BIN_EXE_selkie");
    let audit = audit(&[], &[selkie, "client", "--seals", "never", "--frames", "2"]);
    let enforce = &audit.report["policies"]["enforce"];
    assert_eq!(
        enforce["why"],
        "memfd without F_SEAL_SHRINK: create it with MFD_ALLOW_SEALING and add F_SEAL_SHRINK before wl_shm.create_pool"
    );
    let advice = &audit.report["advice"];
    assert_eq!(advice.as_array().map(Vec::len), Some(1));
    assert_eq!(advice[0]["programs"], serde_json::json!(["selkie"]));
    assert_eq!(
        advice[0]["advice"],
        "pass MFD_ALLOW_SEALING to memfd_create(), and once the memory has its size, call fcntl(fd, F_ADD_SEALS, \
         F_SEAL_SHRINK | F_SEAL_SEAL), before wl_shm.create_pool"
    );
}

#[test]
fn drawing_before_the_release_is_seen() {
    let stand = Stand::start(&[]);
    let mut painter = Painter::new(&stand);
    let all = (0, 0, SIDE, SIDE);
    painter.paint(0, 0x11_1111, 0);
    painter.show(0, all);
    // The compositor has it.
    painter.paint(0, 0x22_2222, 0);
    painter.paint(1, 0x33_3333, 0);
    painter.show(1, all);
    painter.released(0, 1);
    drop(painter);
    let audit = stand.end();
    let pool = &audit.called("memfd:selkie-test")[0];
    assert_eq!(
        (&pool["release_checks"], &pool["drew_before_release"]),
        (&1.into(), &1.into()),
        "{}",
        audit.log
    );
    assert_eq!((&pool["commits"], &pool["releases"]), (&2.into(), &1.into()));
    assert!(pool["held_ms_max"].as_f64().unwrap() > 0.0);
}

#[test]
fn drawing_after_the_release_is_as_it_should_be() {
    let stand = Stand::start(&[]);
    let mut painter = Painter::new(&stand);
    let all = (0, 0, SIDE, SIDE);
    painter.paint(0, 0x11_1111, 0);
    painter.paint(1, 0x33_3333, 0);
    // Often enough for samples of buffers that were shown before.
    for round in 1..=40 {
        for buffer in [0, 1] {
            painter.show(buffer, all);
            if round > 1 || buffer == 1 {
                painter.released(1 - buffer, round - usize::from(buffer == 0));
                painter.paint(1 - buffer, round as u32 * 0x01_0101, 0);
            }
        }
    }
    drop(painter);
    let audit = stand.end();
    let pool = &audit.called("memfd:selkie-test")[0];
    assert!(pool["release_checks"].as_u64().unwrap() > 1, "{pool:#}");
    assert_eq!((&pool["commits"], &pool["drew_before_release"]), (&80.into(), &0.into()));
}

#[test]
fn full_damage_where_little_changes_is_seen() {
    let stand = Stand::start(&[]);
    let mut painter = Painter::new(&stand);
    painter.paint(0, 0x11_1111, 0);
    painter.paint(1, 0x11_1111, 41);
    painter.show(0, (0, 0, SIDE, SIDE));
    painter.show(1, (0, 0, i32::MAX, i32::MAX));
    drop(painter);
    let audit = stand.end();
    let surface = surface(&audit);
    // 41 of 4096 pixels.
    assert_eq!((&surface["commits"], &surface["comparisons"]), (&2.into(), &1.into()));
    assert_eq!((&surface["damaged_percent"], &surface["changed_percent"]), (&100.0.into(), &1.0.into()));
    assert_eq!(
        (&surface["full_damage_little_change"], &surface["changed_outside_damage"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn changes_that_were_not_damaged_are_seen() {
    let stand = Stand::start(&[]);
    let mut painter = Painter::new(&stand);
    painter.paint(0, 0x11_1111, 0);
    painter.paint(1, 0x11_1111, 64);
    painter.show(0, (0, 0, SIDE, SIDE));
    // The first row has changed, of which half is said.
    painter.show(1, (0, 0, 32, 1));
    drop(painter);
    let audit = stand.end();
    let surface = surface(&audit);
    assert_eq!((&surface["damaged_percent"], &surface["changed_percent"]), (&0.78.into(), &1.56.into()));
    assert_eq!(
        (&surface["full_damage_little_change"], &surface["changed_outside_damage"]),
        (&0.into(), &1.into())
    );
}

/// The compositor's error reaches the program as if nobody stood between, and the report.
#[test]
fn memory_that_nobody_could_use_is_refused_under_every_policy() {
    let stand = Stand::start(&["--policy", "guard"]);
    let mut raw = Raw::connect(stand.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    raw.pool(&shm, memfd(4096, Some(SealFlags::SHRINK)), 8192);
    let ended = raw.ended();
    let why = "the file has 4096 bytes, fewer than the 8192 claimed: ftruncate it before passing it on";
    match ended {
        Ended::Error { code, message, .. } => {
            assert_eq!(code, 2);
            assert!(message.contains(why), "{message}");
        }
        other => panic!("{other:?}"),
    }
    drop(raw);
    let audit = stand.end();
    assert_eq!(audit.status.code(), Some(1));
    for policy in ["enforce", "adopt", "copy", "guard"] {
        assert_eq!(audit.report["policies"][policy]["treatment"], "refused");
        assert_eq!(audit.report["policies"][policy]["why"], why);
    }
    let error = audit.report["connections"][0]["error"].as_str().unwrap();
    assert!(error.contains(why), "{error}");
    assert!(audit.report["advice"][0]["advice"].as_str().unwrap().contains("ftruncate(fd, 8192)"));
}

#[test]
fn resizes_are_counted_and_checked() {
    let stand = Stand::start(&[]);
    let mut raw = Raw::connect(stand.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    let memory = memfd(4096, Some(SealFlags::SHRINK));
    let pool = raw.pool(&shm, &memory, 4096);
    rustix::fs::ftruncate(&memory, 16384).unwrap();
    pool.resize(8192);
    pool.resize(12288);
    raw.roundtrip().unwrap();
    drop(raw);
    let audit = stand.end();
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
    let pool = &audit.called("memfd:selkie-test")[0];
    assert_eq!((&pool["resizes"], &pool["claimed"]), (&2.into(), &4096.into()));
    assert_eq!((&pool["largest_claim"], &pool["file_size"]), (&12288.into(), &16384.into()));

    let stand = Stand::start(&[]);
    let mut raw = Raw::connect(stand.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    let pool = raw.pool(&shm, memfd(4096, Some(SealFlags::SHRINK)), 4096);
    pool.resize(8192);
    raw.ended();
    drop(raw);
    let audit = stand.end();
    assert_eq!(audit.status.code(), Some(1));
    assert_eq!(audit.called("memfd:selkie-test")[0]["verdict"], "unusable");
}

#[test]
fn a_read_only_descriptor_is_told() {
    let stand = Stand::start(&["--policy", "adopt"]);
    let mut raw = Raw::connect(stand.socket());
    let shm: wl_shm::WlShm = raw.bind(1);
    let memory = memfd(4096, Some(SealFlags::empty()));
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory));
    raw.pool(&shm, std::fs::File::open(path).unwrap(), 4096);
    raw.roundtrip().unwrap();
    drop(raw);
    let audit = stand.end();
    let pool = &audit.called("memfd:selkie-test")[0];
    assert_eq!((&pool["sealing"], &pool["writable"]), (&"read-only".into(), &false.into()));
    assert_eq!(pool["shrink_seal"], "impossible");
    assert_eq!(audit.status.code(), Some(1), "adopt cannot add the seal either");
}

/// Each process that connects is named, and all of them end with the audit, whether they have connected or not.
#[test]
fn children_are_covered_and_ended() {
    require_programs!("weston-simple-shm", "weston-simple-damage");
    let dir = RuntimeDir::new();
    let pid_file = dir.file("pid");
    let script = "sleep 1000 & echo $! >\"$0\"; weston-simple-shm & weston-simple-damage & wait";
    let audit = audit(&["--frames", "40"], &["sh", "-c", script, pid_file.to_str().unwrap()]);
    let gone = |program: &str, pid: i32| {
        let pid = Pid::from_raw(pid).unwrap();
        eventually(&format!("{program} to be gone"), || match test_kill_process(pid) {
            Err(_) => Ok(()),
            Ok(()) => Err("it still runs".into()),
        });
    };
    for program in ["weston-simple-shm", "weston-simple-damage"] {
        let connections = audit.connections(program);
        assert_eq!(connections.len(), 1, "{:#}", audit.report);
        gone(program, connections[0]["pid"].as_i64().unwrap() as i32);
    }
    gone("sleep", std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap());
}

/// Some programs only start another, and are gone before that connects.
#[test]
fn a_child_that_goes_on_alone_is_watched() {
    require_programs!("weston-simple-shm");
    let audit = audit(&["--frames", "5"], &["sh", "-c", "(sleep 0.2; exec weston-simple-shm) & exit 0"]);
    assert_eq!(audit.report["ended"], "had shown 5 frames, and was ended", "{}", audit.log);
    assert_eq!(audit.connections("weston-simple-shm").len(), 1);
}

#[test]
fn what_does_not_end_is_ended() {
    require_programs!("weston-simple-shm");
    // It does not heed SIGTERM; its child does not either.
    let script = "trap '' TERM; weston-simple-shm; sleep 1000";
    let audit = audit(&["--seconds", "1"], &["sh", "-c", script]);
    assert_eq!(audit.report["ended"], "still ran after 1 s, and was ended", "{}", audit.log);
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
}

#[test]
fn an_interrupt_ends_it_with_a_report() {
    for signal in [Signal::INT, Signal::TERM] {
        let stand = Stand::start(&[]);
        let mut raw = Raw::connect(stand.socket());
        let shm: wl_shm::WlShm = raw.bind(1);
        raw.pool(&shm, memfd(4096, Some(SealFlags::SHRINK)), 4096);
        raw.roundtrip().unwrap();
        stand.process().signal(signal);
        let audit = stand.finish();
        assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
        assert_eq!(audit.report["ended"], "was interrupted, and ended");
        assert_eq!(audit.pools().len(), 1);
    }
}

/// Killed, it can do nothing any more; its compositor goes all the same.
#[test]
fn its_compositor_dies_with_it() {
    let mut stand = Stand::start(&[]);
    let compositor = stand.socket().with_file_name("compositor");
    std::os::unix::net::UnixStream::connect(&compositor).unwrap();
    stand.kill();
    eventually("the compositor to be gone", || match std::os::unix::net::UnixStream::connect(&compositor) {
        Err(_) => Ok(()),
        Ok(_) => Err("it still listens".into()),
    });
}

#[test]
fn nothing_to_report_is_an_error() {
    require_programs!("wayland-info");
    for (program, sentence) in [
        (
            &["true"][..],
            "\"true\" never connected to the compositor (exited with 0): is it a Wayland program?",
        ),
        (
            &["sh", "-c", "exit 3"],
            "\"sh\" never connected to the compositor (exited with 3): is it a Wayland program?",
        ),
        (
            &["wayland-info"],
            "\"wayland-info\" connected, and shared no memory (exited with 0): there is nothing to report",
        ),
        (&["no-such-program"], "cannot run \"no-such-program\": is it installed, and spelled right?"),
    ] {
        let audit = audit(&[], program);
        assert_eq!((audit.status.code(), &audit.report), (Some(1), &Value::Null));
        assert!(audit.log.contains(&format!("selkie: {sentence}")), "{}", audit.log);
    }
}

#[test]
fn wrong_usage_is_told() {
    let dir = RuntimeDir::new();
    for options in
        [&["--seconds", "0"][..], &["--seconds", "x"], &["--policy", "lax"], &["--visible", "--proxy"]]
    {
        let mut process = dir.spawn("audit", command(&dir, options, &["true"]));
        assert_eq!(process.wait().code(), Some(2), "{options:?}: {}", process.log());
    }
    let mut process = dir.spawn("audit", command(&dir, &[], &[]));
    assert_eq!(process.wait().code(), Some(2));
    // A session that is not there is no usage error.
    for options in [&["--proxy"], &["--visible"]] {
        let mut process = dir.spawn("audit", command(&dir, options, &["true"]));
        assert_eq!(process.wait().code(), Some(1));
        assert!(process.log().contains("WAYLAND_DISPLAY names no compositor"), "{}", process.log());
    }
}

#[test]
fn the_table_says_it_for_people() {
    let dir = RuntimeDir::new();
    let selkie = env!("CARGO_BIN_EXE_selkie");
    let mut command = dir.command(selkie);
    command.args(["audit", "--", selkie, "client", "--seals", "none", "--frames", "4"]);
    let mut process = Process::spawn_piped("audit", command, dir.path());
    let (status, text) = process.wait_for_output();
    assert_eq!(status.code(), Some(1));
    for part in [
        "exited with 0",
        "1 connection to selkie, headless, policy guard",
        "none (open)",
        "3 of 640x480 XR24",
        "enforce: refused: memfd without F_SEAL_SHRINK: add F_SEAL_SHRINK",
        "adopt:   accepted, after the compositor has added the missing seal",
        "guard:   accepted, and read under a SIGBUS guard",
        "To do for selkie (memfd:selkie-client): once the memory has its size, call fcntl(fd, F_ADD_SEALS,",
        "Not shown to the program: selkie_ledger_manager_v1.",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// In front of a compositor of others.
fn behind(host: Host, name: &str) {
    let program = [env!("CARGO_BIN_EXE_selkie"), "client", "--frames", "5"];
    let mut audit = command(&host.dir, &["--proxy"], &program);
    audit.env("WAYLAND_DISPLAY", host.socket());
    let audit = finish(Process::spawn_piped("audit", audit, host.dir.path()));
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
    assert_eq!(audit.report["ended"], "exited with 0");
    assert_eq!(audit.report["compositor"], host.socket_name(), "{name}");
    let pool = &audit.called("memfd:selkie-client")[0];
    assert_eq!((&pool["seals"], &pool["commits"]), (&"seal+shrink".into(), &5.into()));
    assert!(pool["releases"].as_u64().unwrap() > 0);
}

#[test]
fn stands_before_weston() {
    let host = Host::weston(640, 480);
    require!(host.is_some(), "weston is not installed");
    behind(host.unwrap(), "weston");
}

#[test]
fn stands_before_sway() {
    let host = Host::sway(640, 480);
    require!(host.is_some(), "sway is not installed, or does not run here");
    behind(host.unwrap(), "sway");
}

/// As a window of another compositor.
#[test]
fn is_visible_if_wanted() {
    let host = Host::selkie(&[]);
    let program = [env!("CARGO_BIN_EXE_selkie"), "client", "--frames", "5"];
    let mut audit = command(&host.dir, &["--visible"], &program);
    audit.env("WAYLAND_DISPLAY", host.socket());
    let audit = finish(Process::spawn_piped("audit", audit, host.dir.path()));
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
    assert_eq!(audit.report["compositor"], "selkie, wayland, policy guard");
    assert_eq!(audit.called("memfd:selkie-client")[0]["commits"], 5);
}

/// In the guest: a dma-buf is told with who made it.
#[test]
fn a_dmabuf_is_told() {
    support::require_devices!("/dev/udmabuf");
    let selkie = env!("CARGO_BIN_EXE_selkie");
    let audit = audit(&[], &[selkie, "client", "--buffer", "udmabuf", "--frames", "6", "--size", "200x100"]);
    assert_eq!(audit.status.code(), Some(0), "{}", audit.log);
    let connection = audit.connections("selkie")[0];
    let dmabufs = connection["dmabufs"].as_array().unwrap();
    assert!(!dmabufs.is_empty(), "{:#}", audit.report);
    let commits: u64 = dmabufs.iter().map(|d| d["commits"].as_u64().unwrap()).sum();
    assert_eq!(commits, 6);
    for dmabuf in dmabufs {
        assert_eq!((&dmabuf["exporter"], &dmabuf["error"]), (&"udmabuf".into(), &Value::Null));
        assert_eq!(dmabuf["name"], "dmabuf:");
        assert!(dmabuf["size"].as_u64().unwrap() >= 200 * 100 * 4);
        for buffer in dmabuf["buffers"].as_array().unwrap() {
            assert_eq!((&buffer["width"], &buffer["height"]), (&200.into(), &100.into()));
            assert_eq!((&buffer["format"], &buffer["modifier"]), (&"XR24".into(), &"linear".into()));
        }
        assert_eq!(dmabuf["drew_before_release"], 0);
    }
    assert!(connection["surfaces"][0]["comparisons"].as_u64().unwrap() > 0, "{connection:#}");
    assert_eq!(audit.report["policies"]["enforce"]["treatment"], "mapped");
}
