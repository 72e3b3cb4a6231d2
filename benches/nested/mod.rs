//! What being nested costs: a compositor in a window of a host, its client in there, and nothing else about. selkie, forwarding
//! and composing, beside weston and sway, in one run, each in a host of its own of the same kind, with the same client.
//!
//! Two things are compared. Processor time per frame, as for the others. And time that passes: from a client's commit until the
//! compositor that it is in has committed to the host. Both ends of that are in this process: it is the client, and
//! it has the [relay::Relay] before the host. What it takes without a compositor between is measured in the same way, and
//! subtracted.

mod relay;

use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{ClockId, clock_gettime};

use self::relay::Relay;
use crate::support::process::patience;
use crate::support::{Host, Kind};
use crate::{Depth, PATCH, Report, Shown, watch_idle};

/// What there is between a client and the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Forwarding,
    Composing,
    Weston,
    Sway,
    Nothing,
}

impl Between {
    /// Those that are compositors.
    const ALL: [Self; 4] = [Self::Forwarding, Self::Composing, Self::Weston, Self::Sway];
}

/// A client that fills the screen of a compositor that fills the screen of a host.
struct Nest {
    between: Between,
    size: (i32, i32),
    // In the order in which they have to end.
    shown: Shown,
    nested: Option<Host>,
    relay: Relay,
    _host: Host,
}

impl Nest {
    /// `None` if a program is not installed; `more` is for a selkie between.
    fn new(kind: Kind, between: Between, size: (i32, i32), more: &[&str]) -> Option<Self> {
        let (w, h) = (size.0 as u32, size.1 as u32);
        let text = format!("{w}x{h}");
        let host = match kind {
            // What a nested sway draws into cannot be sealed.
            Kind::Selkie => Host::selkie_plain(&["--size", &text, "--policy", "guard"]),
            // What does not fill the screen lies anywhere within 410 pixels.
            Kind::Weston if matches!(between, Between::Forwarding | Between::Composing) => {
                Host::weston(w + 416, h + 416)?
            }
            Kind::Weston => Host::weston(w, h)?,
            Kind::Sway => Host::sway(w, h)?,
        };
        let relay = Relay::to(&host.socket());
        let ours = |args: &[&str]| {
            let args = [&["--size", &text], args, more].concat();
            Some(Host::selkie_plain_inside(&relay.socket, &args))
        };
        let nested = match between {
            Between::Forwarding => ours(&[]),
            Between::Composing => ours(&["--compose"]),
            // sway 1.7 lets it choose a size for the full screen, and it chooses none.
            Between::Weston if kind == Kind::Sway => return None,
            Between::Weston => Some(Host::weston_inside(&relay.socket, w, h)?),
            Between::Sway => Some(Host::sway_inside(&relay.socket, w, h)?),
            Between::Nothing => None,
        };
        let socket = nested.as_ref().map_or(relay.socket.clone(), Host::socket);
        let shown = Shown::fullscreen(&socket, size);
        Some(Self { between, size, shown, nested, relay, _host: host })
    }

    /// Microseconds of processor time of the compositor between, per frame.
    fn cost(&mut self, frames: u32, patch: Option<(i32, i32)>) -> f64 {
        let nested = self.nested.as_ref().expect("there is one");
        self.shown.cost(&nested.process, frames, patch)
    }

    /// Commits; returns how many microseconds later a commit came to the host.
    fn delay(&mut self) -> f64 {
        let before = now_ns();
        self.shown.commit(None);
        self.shown.raw.flush().unwrap();
        (self.relay.first_since(before) - before) as f64 / 1000.0
    }

    /// Such delays when nothing has happened for a while.
    fn delays_at_rest(&mut self, frames: u32, delays: &mut Vec<f64>) {
        for i in 0..frames {
            // No clock of anybody's ticks in time with this.
            self.relay.wait_for_quiet(Duration::from_millis(50 + u64::from(i * 3 % 17)));
            delays.push(self.delay());
            self.wait();
        }
    }

    /// Such delays when the client commits whenever it is told that it is time for a frame.
    fn delays_in_time(&mut self, frames: u32, delays: &mut Vec<f64>) {
        for i in 0..frames + 3 {
            let delay = self.delay();
            self.wait();
            // They have to get into step.
            if i >= 3 {
                delays.push(delay);
            }
        }
    }

    /// Waits for the frame callback, and comes back the moment it is there.
    fn wait(&mut self) {
        while self.shown.take_in(|_, _| ()) == 0 {
            let socket = self.shown.raw.connection.as_fd();
            let ready =
                poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&patience().try_into().unwrap()));
            assert_ne!(ready, Ok(0), "no frame callback came");
        }
    }
}

/// Nanoseconds of the monotonic clock.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Processor time, for outputs of these sizes. All are there from the beginning, and have their turns in each round.
pub fn cost(depth: &Depth, kind: Kind, sizes: &[(i32, i32)], report: &mut Report) {
    let all = sizes.iter().flat_map(|size| Between::ALL.map(|between| (between, *size)));
    let mut nests: Vec<Nest> = all.filter_map(|(b, size)| Nest::new(kind, b, size, &[])).collect();
    for damage in ["full damage", "64x64 damage"] {
        let mut least = vec![f64::INFINITY; nests.len()];
        // Many short rounds: with little to do, a compositor that is disturbed once has had a costly round.
        for _ in 0..depth.rounds * 3 {
            for (nest, least) in nests.iter_mut().zip(&mut least) {
                let middle = (nest.size.0 / 2, nest.size.1 / 2);
                let patch = damage.starts_with(&PATCH.to_string()).then_some(middle);
                *least = least.min(nest.cost(depth.frames.div_ceil(3), patch));
            }
        }
        let mut first = None;
        for size in sizes {
            let of = |between| {
                nests.iter().position(|n| (n.between, n.size) == (between, *size)).map(|i| least[i])
            };
            let us = of(Between::Forwarding).expect("ours is there");
            let (peers, what) =
                ([of(Between::Weston), of(Between::Sway)], format!("in {kind:?}, {}p", size.1));
            let numbers = [Some(us), None, peers[0], peers[1]];
            report.line(&format!("{what}, {damage}: us per frame"), numbers, "100", Some(us <= 100.0));
            report.line("  composed", [of(Between::Composing), None, None, None], "", None);
            match first {
                None => first = Some(us),
                Some(first) => {
                    let ratio = us / first;
                    let what = format!("  forwarded, to {}p", sizes[0].1);
                    report.line(&what, [Some(ratio), None, None, None], "1.1", Some(ratio <= 1.1));
                }
            }
        }
    }
}

/// Time that passes until a commit is at the host.
pub fn latency(depth: &Depth, kind: Kind, report: &mut Report) {
    let size = (1920, 1080);
    let all = [Between::Nothing, Between::Forwarding, Between::Composing, Between::Weston, Between::Sway];
    let mut nests: Vec<Nest> = all.into_iter().filter_map(|b| Nest::new(kind, b, size, &[])).collect();
    type Delays = fn(&mut Nest, u32, &mut Vec<f64>);
    let ways: [(&str, u32, Delays); 2] = [
        ("paced by callbacks", depth.frames, Nest::delays_in_time),
        ("at rest before", depth.frames / 3, Nest::delays_at_rest),
    ];
    for (way, frames, measure) in ways {
        let mut delays = vec![Vec::new(); nests.len()];
        for _ in 0..depth.rounds {
            for (nest, delays) in nests.iter_mut().zip(&mut delays) {
                measure(nest, frames, delays);
            }
        }
        let medians: Vec<f64> = delays.into_iter().map(median).collect();
        let of = |between| nests.iter().position(|n| n.between == between).map(|i| medians[i]);
        let nothing = of(Between::Nothing).expect("it is there");
        let added = |between| of(between).map(|us| us - nothing);
        let us = added(Between::Forwarding).expect("ours is there");
        let what = format!("in {kind:?}, {way}: us from commit to the host's, added");
        let numbers = [Some(us), None, added(Between::Weston), added(Between::Sway)];
        report.line(&what, numbers, "200", Some(us <= 200.0));
        report.line("  composed", [added(Between::Composing), None, None, None], "", None);
        report.line("  to what it takes without any between", [Some(nothing), None, None, None], "", None);
    }
}

/// Bytes that a forwarding selkie copies, by its own account, and what it does when nothing happens.
pub fn rest(depth: &Depth, kind: Kind, report: &mut Report) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.jsonl");
    let size = (1920, 1080);
    let mut nest = Nest::new(kind, Between::Forwarding, size, &["--report", file.to_str().unwrap()]).unwrap();
    for _ in 0..depth.frames {
        nest.shown.present(None);
    }
    nest.nested.as_mut().unwrap().terminate();
    let text = fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let frames: Vec<_> = lines.filter(|line| line["event"] == "frame").collect();
    let forwarded = frames.iter().filter(|frame| frame["path"] == "forwarded").count();
    let bytes: u64 = frames.iter().map(|frame| frame["bytes_copied"].as_u64().unwrap()).sum();
    let what = format!("in {kind:?}: bytes copied, {forwarded} of {} frames forwarded", frames.len());
    let held = bytes == 0 && forwarded == frames.len() && forwarded >= depth.frames as usize;
    report.line(&what, [Some(bytes as f64), None, None, None], "0", Some(held));
    let mut nest = Nest::new(kind, Between::Forwarding, size, &[]).unwrap();
    nest.shown.present(None);
    watch_idle(depth, &nest.nested.as_ref().unwrap().process, "nested, ", report);
}
