//! What a frame costs: the compositor's processor time for it, beside a memcpy of the same bytes and beside weston and
//! sway where they are installed, all in one run.
//!
//! Wall-clock time says little on a machine that does other things too. So what is compared is the time that the kernel
//! counted for all threads of a compositor, over many frames; and of some rounds, taken in turns, the cheapest counts:
//! others can only add to it. The client is the same everywhere: it commits the same three buffers again and again, never
//! draws, and waits for the frame callback each time.
//!
//! `cargo bench --bench frames -- 1080p idle` runs some parts: 1080p, 2160p, commits, windows, clients, idle, calls,
//! nested (or one of nested-in-selkie, nested-in-weston, nested-in-sway).
//! Without `--bench` (`cargo test --bench frames`) everything runs once and briefly, and the numbers mean nothing.

#![deny(unsafe_code)]
// A benchmark that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod nested;
#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{ClockId, clock_gettime};
use selkie_protocols::upstream::xdg::shell::client::xdg_toplevel;
use shm_core::mapping::{Guarded, Mapping, Sealed};
use shm_core::seals::Seals;
use shm_core::{memfd, pread, verdict};
use support::raw::{Raw, Window};
use support::{Host, Kind, Process};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_callback::WlCallback;
use wayland_client::protocol::wl_shm::{Format, WlShm};

/// Buffers of every client.
const BUFFERS: usize = 3;
/// The edge of a small damage, in pixels.
const PATCH: i32 = 64;
/// More than the caches of the machines at hand hold.
const EVICTS: usize = 96 << 20;

/// How thoroughly to measure.
struct Depth {
    rounds: u32,
    frames: u32,
    copies: u32,
    span: Duration,
    calls: u32,
}

const BENCH: Depth = Depth { rounds: 5, frames: 60, copies: 40, span: Duration::from_secs(3), calls: 20_000 };
const SMOKE: Depth = Depth { rounds: 1, frames: 3, copies: 1, span: Duration::from_millis(100), calls: 10 };

fn main() {
    let depth = if std::env::args().any(|arg| arg == "--bench") { BENCH } else { SMOKE };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let mut report = Report::new();
    let mut part = |name: &str, measure: &dyn Fn(&Depth, &mut Report)| {
        if wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str())) {
            measure(&depth, &mut report);
        }
    };
    part("1080p", &|depth, report| frames(depth, (1920, 1080), report));
    part("2160p", &|depth, report| frames(depth, (3840, 2160), report));
    part("commits", &flood);
    part("windows", &|depth, report| windows(depth, 1, report));
    part("clients", &|depth, report| windows(depth, 50, report));
    part("idle", &idle);
    part("calls", &calls);
    const SIZES: [(i32, i32); 2] = [(1920, 1080), (3840, 2160)];
    part("nested-in-selkie", &|depth, report| {
        nested::cost(depth, Kind::Selkie, &SIZES, report);
        nested::latency(depth, Kind::Selkie, report);
        nested::rest(depth, Kind::Selkie, report);
    });
    for kind in [Kind::Weston, Kind::Sway] {
        part(&format!("nested-in-{kind:?}").to_lowercase(), &|depth, report| {
            if support::program(&format!("{kind:?}").to_lowercase()).is_some() {
                nested::cost(depth, kind, &SIZES[..1], report);
                nested::latency(depth, kind, report);
            }
        });
    }
    report.print();
}

/// The table, as it grows.
struct Report(Table);

impl Report {
    fn new() -> Self {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["what", "selkie", "memcpy", "weston", "sway", "goal", "held"]);
        for column in table.column_iter_mut().skip(1).take(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Self(table)
    }

    /// A line: what was measured, the numbers (selkie, memcpy, weston, sway), the goal in words and whether it is met.
    fn line(&mut self, what: &str, numbers: [Option<f64>; 4], goal: &str, held: Option<bool>) {
        let number = |n: Option<f64>| match n {
            Some(n) if n.abs() < 10.0 && n.fract() != 0.0 => format!("{n:.2}"),
            Some(n) => format!("{n:.0}"),
            None => "-".to_owned(),
        };
        let held = held.map_or("", |held| if held { "yes" } else { "NO" });
        let mut cells = vec![what.to_owned()];
        cells.extend(numbers.map(number));
        cells.extend([goal.to_owned(), held.to_owned()]);
        eprintln!("{}", cells.join(" | "));
        self.0.add_row(cells);
    }

    fn print(&self) {
        let version = |program: &str| {
            let output = std::process::Command::new(program).arg("--version").output();
            output.map_or_else(
                |_| format!("{program} is not installed"),
                |o| String::from_utf8_lossy(&o.stdout).trim().to_owned(),
            )
        };
        println!("\n{}", self.0);
        println!("us: processor time of all threads of the compositor, headless, drawing with pixman.");
        println!(
            "In ...: of one nested in that, which is headless; or time that passes, where it says from when to when."
        );
        println!(
            "memcpy: of the damaged bytes, from the client's memory into ours, no cache holding either."
        );
        println!("Peers: {}; {}.", version("weston"), version("sway"));
        println!("More of render, verdict, guard and copy: target/criterion/report/index.html");
    }
}

/// Processor time that this thread used so far, in nanoseconds.
fn own_time() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Sealed memory, every page of it there.
fn sealed(size: usize) -> OwnedFd {
    let fd = memfd::create("selkie-bench", size as u64, Some(Seals::SHRINK)).unwrap();
    let part = vec![0xa5; 1 << 20];
    for at in (0..size).step_by(part.len()) {
        rustix::io::pwrite(&fd, &part[..part.len().min(size - at)], at as u64).unwrap();
    }
    fd
}

/// A window, and the buffers that it shows in turn.
struct Pane {
    window: Window,
    buffers: Vec<WlBuffer>,
    turn: usize,
    waits: Option<WlCallback>,
}

impl Pane {
    fn new(raw: &mut Raw, (width, height): (i32, i32)) -> Self {
        let window = raw.window().unwrap();
        let bytes = width * height * 4;
        let shm: WlShm = raw.bind(1);
        let pool = raw.pool(&shm, sealed(bytes as usize * BUFFERS), bytes * BUFFERS as i32);
        let buffer = |i| {
            let (offset, stride) = (i * bytes, width * 4);
            pool.create_buffer(offset, width, height, stride, Format::Xrgb8888, &raw.qh(), ())
        };
        let buffers = (0..BUFFERS as i32).map(buffer).collect();
        Self { window, buffers, turn: 0, waits: None }
    }

    /// Commits the next buffer, all of it damaged, or a square of it. A callback is asked for where none is awaited.
    fn commit(&mut self, raw: &Raw, patch: Option<(i32, i32)>) {
        self.turn = (self.turn + 1) % BUFFERS;
        let surface = &self.window.surface;
        surface.attach(Some(&self.buffers[self.turn]), 0, 0);
        match patch {
            Some((x, y)) => surface.damage_buffer(x, y, PATCH, PATCH),
            None => surface.damage_buffer(0, 0, i32::MAX, i32::MAX),
        }
        self.waits.get_or_insert_with(|| surface.frame(&raw.qh(), ()));
        surface.commit();
    }
}

/// A client and its windows.
struct Shown {
    raw: Raw,
    panes: Vec<Pane>,
}

impl Shown {
    fn new(host: &Host, sizes: &[(i32, i32)]) -> Self {
        let mut raw = Raw::connect(&host.socket());
        let panes = sizes.iter().map(|size| Pane::new(&mut raw, *size)).collect();
        // Numbers of callbacks are used again: what was logged for an earlier one must not count.
        raw.events.log.clear();
        let mut shown = Self { raw, panes };
        shown.commit(None);
        shown.raw.roundtrip().unwrap();
        shown
    }

    /// A window that fills the output: at the same place everywhere. weston would put a window anywhere, and cut it off.
    fn fullscreen(socket: &Path, size: (i32, i32)) -> Self {
        let mut raw = Raw::connect(socket);
        let panes = vec![Pane::new(&mut raw, size)];
        panes[0].window.toplevel.set_fullscreen(None);
        let mut shown = Self { raw, panes };
        // Some configure it at once, some when it is there.
        let mut told = (0, 0);
        for _ in 0..3 {
            shown.raw.roundtrip().unwrap();
            let window = &shown.panes[0].window;
            if let Some(xdg_toplevel::Event::Configure { width, height, .. }) =
                shown.raw.of(&window.toplevel).last()
            {
                told = (*width, *height);
            }
            shown.raw.acknowledge(&window.xdg_surface);
            shown.present(None);
        }
        assert_eq!(told, size, "the output is of another size");
        shown
    }

    fn commit(&mut self, patch: Option<(i32, i32)>) {
        self.panes.iter_mut().for_each(|pane| pane.commit(&self.raw, patch));
    }

    /// Commits, and waits until the frame callbacks have come.
    fn present(&mut self, patch: Option<(i32, i32)>) {
        // A callback of an earlier commit may have come, and nothing would announce it again.
        self.take_in(|_, _| ());
        self.commit(patch);
        for pane in &mut self.panes {
            let callback = pane.waits.take().unwrap();
            self.raw.wait_for(&callback, 1).unwrap();
        }
    }

    /// Takes in what has come; returns how many windows got their frame callback, after calling `then` with each.
    fn take_in(&mut self, mut then: impl FnMut(&Raw, &mut Pane)) -> u32 {
        self.raw.pump().unwrap();
        let mut done = 0;
        for pane in &mut self.panes {
            if pane.waits.as_ref().is_some_and(|callback| !self.raw.of::<WlCallback>(callback).is_empty()) {
                pane.waits = None;
                done += 1;
                then(&self.raw, pane);
            }
        }
        self.raw.events.log.clear();
        self.raw.flush().unwrap();
        done
    }

    /// The processor time per frame that it costs `process`, in microseconds.
    fn cost(&mut self, process: &Process, frames: u32, patch: Option<(i32, i32)>) -> f64 {
        for _ in 0..3 {
            self.present(patch);
        }
        let before = process.counters().cpu_us;
        for _ in 0..frames {
            self.present(patch);
        }
        (process.counters().cpu_us - before) as f64 / f64::from(frames)
    }
}

/// One window as large as the output, in all compositors.
fn frames(depth: &Depth, (width, height): (i32, i32), report: &mut Report) {
    let size = format!("{width}x{height}");
    let (w, h) = (width as u32, height as u32);
    let selkie = Host::selkie_plain(&["--size", &size]);
    let mut hosts: Vec<(Host, Shown)> = [Some(selkie), Host::weston(w, h), Host::sway(w, h)]
        .into_iter()
        .flatten()
        .map(|host| {
            let shown = Shown::fullscreen(&host.socket(), (width, height));
            (host, shown)
        })
        .collect();
    let mut copy = ColdCopy::new(width as usize, height as usize);
    let middle = (width / 2, height / 2);
    for (name, patch) in [("full damage", None), ("64x64 damage", Some(middle))] {
        let mut memcpy = f64::INFINITY;
        let mut least = vec![f64::INFINITY; hosts.len()];
        for _ in 0..depth.rounds {
            memcpy = memcpy.min(copy.cost(depth.copies, patch));
            for ((host, shown), least) in hosts.iter_mut().zip(&mut least) {
                *least = least.min(shown.cost(&host.process, depth.frames, patch));
            }
        }
        let of = |kind| hosts.iter().position(|(host, _)| host.kind == kind).map(|i| least[i]);
        let ours = least[0];
        let peers = [of(Kind::Weston), of(Kind::Sway)];
        let best = peers.into_iter().flatten().fold(f64::INFINITY, f64::min);
        let numbers = [Some(ours), Some(memcpy), peers[0], peers[1]];
        let what = format!("{height}p, {name}: us per frame");
        if patch.is_some() {
            report.line(&what, numbers, "100", Some(ours <= 100.0));
            continue;
        }
        let bound = 1.2 * memcpy + 60.0;
        let goal = format!("1.2 memcpy + 60: {bound:.0}");
        report.line(&what, numbers, &goal, Some(ours <= bound));
        if best.is_finite() {
            let numbers = [Some(ours / best), None, peers[0].map(|p| p / best), peers[1].map(|p| p / best)];
            let what = format!("{height}p, {name}: ratio to the better peer");
            report.line(&what, numbers, "0.75", Some(ours <= 0.75 * best));
        }
    }
}

/// What there is to beat: the damaged bytes copied as directly as can be.
struct ColdCopy {
    sources: Vec<Mapping<Sealed>>,
    target: Vec<u8>,
    evict: Vec<u64>,
    stride: usize,
    turn: usize,
}

impl ColdCopy {
    fn new(width: usize, height: usize) -> Self {
        let bytes = width * height * 4;
        let source = || Mapping::<Sealed>::new(sealed(bytes).as_fd(), bytes as u64).unwrap();
        Self {
            sources: (0..BUFFERS).map(|_| source()).collect(),
            target: vec![1; bytes],
            evict: vec![1; EVICTS / 8],
            stride: width * 4,
            turn: 0,
        }
    }

    /// Microseconds of processor time per copy.
    fn cost(&mut self, copies: u32, patch: Option<(i32, i32)>) -> f64 {
        let mut ns = 0;
        // The first one has its page faults.
        for i in 0..=copies {
            self.evict.iter_mut().for_each(|word| *word = word.wrapping_add(1));
            black_box(&mut self.evict);
            self.turn = (self.turn + 1) % BUFFERS;
            let source = &self.sources[self.turn];
            let before = own_time();
            match patch {
                None => source.copy_to(0, &mut self.target).unwrap(),
                Some((x, y)) => {
                    let at = y as usize * self.stride + x as usize * 4;
                    let (row, rows) = (PATCH as usize * 4, PATCH as usize);
                    let target = &mut self.target[at..];
                    source.copy_rows(at, self.stride, row, rows, target, self.stride).unwrap();
                }
            }
            black_box(&mut self.target);
            ns += if i == 0 { 0 } else { own_time() - before };
        }
        ns as f64 / f64::from(copies) / 1000.0
    }
}

/// A client that commits as fast as the compositor takes it in, beside one that keeps to the frames. It waits for an
/// answer now and then: one that never does is cut off, as it should be.
fn flood(depth: &Depth, report: &mut Report) {
    let host = Host::selkie_plain(&["--size", "1280x720"]);
    let mut witness = Shown::new(&host, &[(256, 256)]);
    let mut shown = Shown::new(&host, &[(256, 256)]);
    let (mut commits, mut frames, mut seen) = (0_u64, 0, 0);
    let before = host.process.counters().cpu_us;
    let start = Instant::now();
    while start.elapsed() < depth.span {
        for _ in 0..500 {
            shown.commit(Some((64, 64)));
            commits += 1;
        }
        shown.raw.roundtrip().unwrap();
        frames += shown.take_in(|_, _| ());
        seen += witness.take_in(|raw, pane| pane.commit(raw, None));
    }
    let seconds = start.elapsed().as_secs_f64();
    let cost = (host.process.counters().cpu_us - before) as f64 / commits as f64;
    let line = |number: f64| [Some(number), None, None, None];
    let absorbed = commits as f64 / seconds;
    report.line("commits absorbed per second", line(absorbed), "40000", Some(absorbed >= 40_000.0));
    report.line("  us per commit, frames included", line(cost), "25", Some(cost <= 25.0));
    report.line("  frames per second meanwhile", line(f64::from(frames) / seconds), "", None);
    report.line("  and of another client", line(f64::from(seen) / seconds), "", None);
}

/// Fifty windows of about 256x256 pixels that are all redrawn for every frame, of so many clients.
fn windows(depth: &Depth, clients: usize, report: &mut Report) {
    const WINDOWS: usize = 50;
    let host = Host::selkie_plain(&["--size", "3840x2160"]);
    // Later ones may lie on earlier ones; smaller, they leave something to be seen of them.
    let sizes: Vec<_> = (0..WINDOWS).map(|i| if i < WINDOWS / 2 { (256, 256) } else { (192, 192) }).collect();
    let mut all: Vec<Shown> = sizes.chunks(WINDOWS / clients).map(|sizes| Shown::new(&host, sizes)).collect();
    // Some callbacks have come already, and nothing would announce them.
    for shown in &mut all {
        shown.take_in(|raw, pane| pane.commit(raw, None));
    }
    let mut run = |span: Duration| {
        let (mut shown, start) = (0, Instant::now());
        while start.elapsed() < span {
            let sockets: Vec<OwnedFd> =
                all.iter().map(|s| s.raw.connection.as_fd().try_clone_to_owned().unwrap()).collect();
            let mut ready: Vec<PollFd> = sockets.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            poll(&mut ready, Some(&span.try_into().unwrap())).unwrap();
            let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
            for (shown_here, _) in all.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                shown += shown_here.take_in(|raw, pane| pane.commit(raw, None));
            }
        }
        f64::from(shown)
    };
    run(depth.span / 4);
    let (mut least, mut rate) = (f64::INFINITY, 0.0);
    for _ in 0..depth.rounds {
        let before = host.process.counters().cpu_us;
        let shown = run(depth.span / 2);
        least = least.min((host.process.counters().cpu_us - before) as f64 / shown);
        rate = shown / (depth.span / 2).as_secs_f64() / 60.0;
    }
    let what =
        format!("{WINDOWS} windows, {clients} clients: us per window and frame ({rate:.0} show at 60 Hz)");
    report.line(&what, [Some(least), None, None, None], "40", Some(least <= 40.0));
}

/// A window that is shown and does not change.
fn idle(depth: &Depth, report: &mut Report) {
    let host = Host::selkie_plain(&["--size", "1280x720"]);
    let mut shown = Shown::new(&host, &[(256, 256)]);
    shown.present(None);
    shown.raw.roundtrip().unwrap();
    watch_idle(depth, &host.process, "", report);
}

/// What a process does that has nothing to do.
fn watch_idle(depth: &Depth, process: &Process, which: &str, report: &mut Report) {
    // The watchdog looks twice more until it is sure that nothing goes on.
    std::thread::sleep(depth.span.min(Duration::from_secs(1)));
    let before = (process.counters().cpu_us, process.context_switches());
    std::thread::sleep(depth.span);
    let after = (process.counters().cpu_us, process.context_switches());
    let line = |number: u64| [Some(number as f64), None, None, None];
    let (us, switches) = (after.0 - before.0, after.1 - before.1);
    let seconds = depth.span.as_secs_f64();
    report.line(&format!("{which}idle for {seconds} s: wake-ups"), line(switches), "0", Some(switches == 0));
    report.line("  us in all", line(us), "0", Some(us == 0));
}

/// What single calls cost: what a pool and a frame pay for being safe.
fn calls(depth: &Depth, report: &mut Report) {
    let mut line = |what: &str, calls: u32, call: &mut dyn FnMut()| {
        let mut least = f64::INFINITY;
        for _ in 0..depth.rounds {
            let before = own_time();
            (0..calls).for_each(|_| call());
            least = least.min((own_time() - before) as f64 / 1000.0 / f64::from(calls));
        }
        report.line(what, [Some(least), None, None, None], "", None);
    };
    let bytes = 1920 * 1080 * 4;
    let fd = sealed(bytes);
    let mapping = Mapping::<Sealed>::new(fd.as_fd(), bytes as u64).unwrap();
    let unsealed = memfd::create("selkie-bench", bytes as u64, Some(Seals::empty())).unwrap();
    line("verdict on sealed memory: us", depth.calls, &mut || {
        black_box(verdict::examine(fd.as_fd(), bytes as u64));
    });
    line("verdict on unsealed memory: us", depth.calls, &mut || {
        black_box(verdict::examine(unsealed.as_fd(), bytes as u64));
    });
    line("guard, armed and disarmed: us", depth.calls * 10, &mut || {
        black_box(black_box(&mapping).read(0..bytes, |start, _| start.addr()).unwrap());
    });
    let mut frame = vec![0; bytes];
    let copies = depth.copies;
    line("copy of a 1080p frame from a mapping: us", copies, &mut || mapping.copy_to(0, &mut frame).unwrap());
    let guarded = Mapping::<Guarded>::new(fd.as_fd(), bytes as u64).unwrap();
    line("  the same under policy guard", copies, &mut || guarded.copy_to(0, &mut frame).unwrap());
    line("  by pread, as under policy copy", copies, &mut || {
        pread::read_at(fd.as_fd(), 0, &mut frame).unwrap();
    });
}
