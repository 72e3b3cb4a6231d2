//! What came of an audit, as data: the fields of `--format json`, whose names and meanings stay.

use std::collections::BTreeMap;
use std::time::Duration;

use selkie_compositor::buffer::fourcc::{fourcc_name, modifier_name};
use selkie_compositor::buffer::{Policy, Treatment};
use serde::Serialize;
use shm_core::seals::Seals;
use shm_core::verdict::{Kind, Verdict};

use crate::advice::advice;
use crate::fitness;
use crate::memory::{Arrival, Sealing};
use crate::record::{self, Source};

/// An audit.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How it ended, for people: `exited with 0`, `still ran after 5 s, and was ended`.
    pub ended: String,
    /// The compositor behind the proxy.
    pub compositor: String,
    /// For how long it was watched.
    pub seconds: f64,
    /// The policy that decides on `refused`.
    pub policy: Policy,
    /// Whether a compositor with that policy would have refused the program.
    pub refused: bool,
    /// What each policy makes of the program: the worst that happens to any of its memory, and why.
    pub policies: BTreeMap<&'static str, Outcome>,
    /// What its author should change, most urgent first.
    pub advice: Vec<Advice>,
    /// One for each connection, in the order in which they were made.
    pub connections: Vec<Connection>,
    /// Globals of the compositor that the program was not shown, because the proxy cannot pass them on.
    pub hidden_globals: Vec<String>,
}

/// What a policy makes of memory.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// `mapped`, `adopted`, `copied`, `guarded` or `refused`.
    pub treatment: Treatment,
    /// Why, if it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A change to be made.
#[derive(Debug, Clone, Serialize)]
pub struct Advice {
    /// The programs concerned.
    pub programs: Vec<String>,
    /// What the memory is called.
    pub memory: Vec<String>,
    /// The libraries that make such memory, where they are known: it is they that have to change.
    pub made_by: Vec<&'static str>,
    /// What to do, in a sentence.
    pub advice: String,
}

/// One connection.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// The name of the process that made it.
    pub program: String,
    /// Its process id.
    pub pid: i32,
    /// Why the compositor ended it, if it did.
    pub error: Option<String>,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// Its dma-bufs.
    pub dmabufs: Vec<DmaBuf>,
    /// Its surfaces that have shown something.
    pub surfaces: Vec<Surface>,
}

/// A surface: what it said about its damage, and what was found where two pictures that followed each other were compared.
#[derive(Debug, Clone, Serialize)]
pub struct Surface {
    /// How often it was committed with a buffer.
    pub commits: u64,
    /// How often the pictures of two commits in a row were compared.
    pub comparisons: u64,
    /// The share of the pixels that were said to be damaged.
    pub damaged_percent: Option<f64>,
    /// The share of the pixels that had changed.
    pub changed_percent: Option<f64>,
    /// Comparisons in which nine tenths or more were damaged and one tenth or less had changed.
    pub full_damage_little_change: u64,
    /// Comparisons in which pixels had changed that were not damaged.
    pub changed_outside_damage: u64,
}

/// A `wl_shm_pool`. Sizes are in bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Pool {
    /// `memfd`, `hugetlb memfd`, `/dev/shm file`, `tmpfs file`, `disk file`, or what else it is.
    pub kind: String,
    /// `memfd:NAME`, or the path.
    pub name: String,
    /// The library that calls its memory so, if it is known.
    pub made_by: Option<&'static str>,
    /// Its seals on arrival, as in `shrink,seal`; `none`; null for files that can have none.
    pub seals: Option<String>,
    /// Whether seals could still be added on arrival: `open`, `closed`, `read-only` or `never`.
    pub sealing: Sealing,
    /// Whether `F_SEAL_SHRINK` was `present`, `possible` or `impossible` on arrival.
    pub shrink_seal: &'static str,
    /// Whether the descriptor could be written through.
    pub writable: bool,
    /// The size of the file when last seen.
    pub file_size: Option<u64>,
    /// The size claimed by `create_pool`.
    pub claimed: u64,
    /// The largest size claimed, by `resize` too.
    pub largest_claim: u64,
    /// The most that was seen to have pages.
    pub resident: Option<u64>,
    /// How often it was resized.
    pub resizes: u32,
    /// `sealed`, `unsealed` or `unusable`.
    pub verdict: &'static str,
    /// Why it is not sealed.
    pub why: Option<String>,
    /// What each policy makes of it.
    pub policies: BTreeMap<&'static str, Outcome>,
    /// Its buffers, by their numbers.
    pub buffers: Vec<Buffer>,
    /// What became of them.
    #[serde(flatten)]
    pub usage: Usage,
}

/// A dma-buf.
#[derive(Debug, Clone, Serialize)]
pub struct DmaBuf {
    /// Who made it.
    pub exporter: String,
    /// What its maker calls it.
    pub name: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Why it is no dma-buf, if it is none.
    pub error: Option<String>,
    /// Buffers that it is the first plane of, by their numbers.
    pub buffers: Vec<Buffer>,
    /// What became of them.
    #[serde(flatten)]
    pub usage: Usage,
}

/// Buffers with the same numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Buffer {
    /// How many there were.
    pub count: usize,
    /// Where it begins, in bytes.
    pub offset: i64,
    /// In pixels.
    pub width: i32,
    /// In pixels.
    pub height: i32,
    /// Bytes from row to row.
    pub stride: i64,
    /// Four letters, as in `XR24`.
    pub format: String,
    /// `linear`, or how the pixels are arranged; only of dma-bufs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modifier: Option<String>,
    /// Why a nested compositor could not make a dma-buf of it with udmabuf; null if it could.
    pub not_imported: Option<String>,
    /// Why a nested compositor could not pass it on as it is; null if it could.
    pub not_forwarded: Option<String>,
}

/// What became of the buffers of a piece of memory.
#[derive(Debug, Clone, Serialize)]
pub struct Usage {
    /// How often they were committed.
    pub commits: u64,
    /// How often the compositor gave one back.
    pub releases: u64,
    /// The median of the times for which the compositor had one, in milliseconds.
    pub held_ms_median: Option<f64>,
    /// The longest of them.
    pub held_ms_max: Option<f64>,
    /// How often it was checked that the content stayed as it was until the release.
    pub release_checks: u64,
    /// How often it did not: the program drew into a buffer that the compositor had.
    pub drew_before_release: u64,
}

/// How many buffers have the same numbers.
type Layouts = BTreeMap<record::Layout, usize>;

/// Everything but the connections.
pub(crate) struct Head {
    pub command: Vec<String>,
    pub ended: String,
    pub compositor: String,
    pub seconds: f64,
    pub policy: Policy,
    pub hidden_globals: Vec<String>,
}

impl Report {
    pub(crate) fn new(head: Head, records: &[record::Connection]) -> Self {
        let connections: Vec<Connection> = records.iter().map(Connection::new).collect();
        let wrong: Vec<Outcome> = (connections.iter().flat_map(|c| &c.dmabufs))
            .filter_map(|dmabuf| {
                Some(Outcome { treatment: Treatment::Refused, why: Some(dmabuf.error.clone()?) })
            })
            .collect();
        let worst = |policy: Policy| {
            let pools = connections.iter().flat_map(|c| &c.pools);
            let outcomes = pools.filter_map(|pool| pool.policies.get(policy.name())).chain(&wrong);
            let worst = outcomes.max_by_key(|outcome| severity(outcome.treatment)).cloned();
            (policy.name(), worst.unwrap_or(Outcome { treatment: Treatment::Mapped, why: None }))
        };
        let policies: BTreeMap<_, _> = Policy::ALL.into_iter().map(worst).collect();
        let refused = policies.get(head.policy.name()).is_some_and(|o| o.treatment == Treatment::Refused);
        Self {
            command: head.command,
            ended: head.ended,
            compositor: head.compositor,
            seconds: head.seconds,
            policy: head.policy,
            refused,
            policies,
            advice: all_advice(records),
            hidden_globals: head.hidden_globals,
            connections,
        }
    }
}

/// How bad it is.
fn severity(treatment: Treatment) -> u8 {
    match treatment {
        Treatment::Mapped => 0,
        Treatment::Adopted => 1,
        Treatment::Copied => 2,
        Treatment::Guarded => 3,
        Treatment::Refused => 4,
    }
}

/// The verdict on a pool: on its arrival, or on what it was resized to.
fn verdict(pool: &record::Pool) -> Verdict {
    match &pool.bad_resize {
        Some(why) => Verdict::Unusable { why: why.clone() },
        None => pool.arrival.examined.verdict.clone(),
    }
}

fn all_advice(records: &[record::Connection]) -> Vec<Advice> {
    let mut all: Vec<Advice> = Vec::new();
    for connection in records {
        for pool in &connection.pools {
            let Some(text) = advice(&verdict(pool)) else { continue };
            let name = &pool.arrival.name;
            let at = all.iter().position(|known| known.advice == text).unwrap_or_else(|| {
                all.push(Advice {
                    programs: Vec::new(),
                    memory: Vec::new(),
                    made_by: Vec::new(),
                    advice: text,
                });
                all.len() - 1
            });
            let Some(known) = all.get_mut(at) else { continue };
            if !known.programs.contains(&connection.program) {
                known.programs.push(connection.program.clone());
            }
            if !known.memory.contains(name) {
                known.memory.push(name.clone());
            }
            let library = made_by(pool.arrival.examined.kind, name);
            known.made_by.extend(library.filter(|library| !known.made_by.contains(library)));
        }
    }
    all
}

impl Connection {
    fn new(record: &record::Connection) -> Self {
        let mut counted: BTreeMap<Source, Layouts> = BTreeMap::new();
        for buffer in &record.buffers {
            *counted.entry(buffer.source).or_default().entry(buffer.layout).or_default() += 1;
        }
        let buffers = |source| counted.get(&source).cloned().unwrap_or_default();
        let pools = record.pools.iter().enumerate();
        let dmabufs = record.dmabufs.iter().enumerate();
        Self {
            program: record.program.clone(),
            pid: record.pid,
            error: record.error.clone(),
            pools: pools.map(|(i, pool)| Pool::new(pool, &buffers(Source::Pool(i)))).collect(),
            dmabufs: dmabufs.map(|(i, dmabuf)| DmaBuf::new(dmabuf, &buffers(Source::DmaBuf(i)))).collect(),
            surfaces: record.surfaces.iter().filter(|s| s.commits > 0).map(Surface::new).collect(),
        }
    }
}

impl Surface {
    fn new(surface: &record::Surface) -> Self {
        let sum = &surface.sum;
        let percent = |n: u64| (sum.total > 0).then(|| (n as f64 * 1e4 / sum.total as f64).round() / 100.0);
        Self {
            commits: surface.commits,
            comparisons: surface.comparisons,
            damaged_percent: percent(sum.damaged),
            changed_percent: percent(sum.changed),
            full_damage_little_change: surface.wasteful,
            changed_outside_damage: surface.missed,
        }
    }
}

impl Pool {
    fn new(pool: &record::Pool, buffers: &Layouts) -> Self {
        let Arrival { examined, name, kind, sealing, writable } = &pool.arrival;
        let verdict = verdict(pool);
        let (verdict_name, why) = match &verdict {
            Verdict::Sealed => ("sealed", None),
            Verdict::Unsealed { why } => ("unsealed", Some(why.to_string())),
            Verdict::Unusable { why } => ("unusable", Some(why.to_string())),
        };
        let outcome = |policy: Policy| {
            let treatment = policy.treats(&verdict);
            let why = why.clone().filter(|_| treatment == Treatment::Refused);
            (policy.name(), Outcome { treatment, why })
        };
        let has_shrink = examined.seals.is_some_and(|seals| seals.contains(Seals::SHRINK));
        Self {
            kind: kind.clone(),
            name: name.clone(),
            made_by: made_by(examined.kind, name),
            seals: examined.seals.map(|seals| match seals {
                none if none.is_empty() => "none".to_owned(),
                some => some.to_string(),
            }),
            sealing: *sealing,
            shrink_seal: match sealing {
                _ if has_shrink => "present",
                Sealing::Open => "possible",
                _ => "impossible",
            },
            writable: *writable,
            file_size: pool.file_size,
            claimed: pool.claimed,
            largest_claim: pool.largest_claim,
            resident: pool.resident,
            resizes: pool.resizes,
            verdict: verdict_name,
            why: why.clone(),
            policies: Policy::ALL.into_iter().map(outcome).collect(),
            buffers: buffers
                .iter()
                .map(|(layout, count)| {
                    let imported = fitness::import(&pool.arrival, pool.file_size, layout);
                    let forwarded = fitness::forward(&pool.arrival, layout);
                    Buffer::new(layout, *count, imported.err(), forwarded.err())
                })
                .collect(),
            usage: Usage::new(&pool.usage),
        }
    }
}

impl DmaBuf {
    fn new(dmabuf: &record::DmaBuf, buffers: &Layouts) -> Self {
        Self {
            exporter: dmabuf.exporter.clone(),
            name: dmabuf.name.clone(),
            size: dmabuf.size,
            error: dmabuf.wrong.clone(),
            // It is one already, and goes on as it is.
            buffers: buffers.iter().map(|(layout, count)| Buffer::new(layout, *count, None, None)).collect(),
            usage: Usage::new(&dmabuf.usage),
        }
    }
}

impl Buffer {
    fn new(
        layout: &record::Layout,
        count: usize,
        imported: Option<String>,
        forwarded: Option<String>,
    ) -> Self {
        Self {
            count,
            offset: layout.offset,
            width: layout.width,
            height: layout.height,
            stride: layout.stride,
            format: fourcc_name(layout.fourcc),
            modifier: layout.modifier.map(modifier_name),
            not_imported: imported,
            not_forwarded: forwarded,
        }
    }
}

impl Usage {
    fn new(usage: &record::Usage) -> Self {
        let held = usage.held();
        let ms = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
        Self {
            commits: usage.commits,
            releases: usage.releases,
            held_ms_median: held.map(|(median, _)| ms(median)),
            held_ms_max: held.map(|(_, longest)| ms(longest)),
            release_checks: usage.compared,
            drew_before_release: usage.drew_early,
        }
    }
}

impl Usage {
    /// Both together; of the medians, the longer one.
    pub(crate) fn add(&mut self, other: &Usage) {
        let longer = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(b.map_or(a, |b| a.max(b))));
        self.commits += other.commits;
        self.releases += other.releases;
        self.held_ms_median = longer(self.held_ms_median, other.held_ms_median);
        self.held_ms_max = longer(self.held_ms_max, other.held_ms_max);
        self.release_checks += other.release_checks;
        self.drew_before_release += other.drew_before_release;
    }
}

/// Libraries that give their memory a name of its own.
fn made_by(kind: Kind, name: &str) -> Option<&'static str> {
    if !matches!(kind, Kind::Memfd) {
        return None;
    }
    match name {
        "memfd:wayland-cursor" => Some("libwayland-cursor"),
        "memfd:gdk-wayland" => Some("GTK"),
        "memfd:mesa-shared" => Some("Mesa"),
        "memfd:wayland-shm" => Some("Qt"),
        _ => None,
    }
}
