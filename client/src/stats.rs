//! What a run amounted to.

use serde::{Serialize, Serializer};
use shm_core::seals::Seals;

use crate::config::{Config, Size};
use crate::ledger::LedgerRecord;
use crate::sourcing::Buffers;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It did not come to an end of its own: see the error.
    Failed,
    /// All frames asked for were shown.
    Frames,
    /// The compositor closed the window.
    Closed,
    /// It was told to stop: by a [`crate::Stopper`], an observer or a signal.
    Stopped,
}

/// Where [`Statistics::commit_to_present`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PresentSource {
    /// `wp_presentation`: when the screen showed it, on the compositor's clock.
    Feedback,
    /// `wl_surface.frame`: when its callback arrived here.
    FrameCallback,
}

/// What came of an attempt to shrink the memory after handing it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShrinkOutcome {
    /// The size asked for, in bytes.
    pub to: u64,
    /// The size before, in bytes.
    pub from: u64,
    /// The kernel's error number (`errno(3)`); None if it let it happen.
    pub errno: Option<i32>,
    /// The kernel's answer in words.
    pub text: String,
}

/// Statistics of a run. Serialised, it is the last line of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// The pattern's name.
    pub pattern: &'static str,
    /// The size of the window in surface coordinates, at the end.
    pub size: Size,
    /// The format's name.
    pub format: &'static str,
    /// What the buffers are made of.
    pub buffers: Buffers,
    /// The kind of memory, of shm and udmabuf.
    pub memory: String,
    /// The seals it was given, in words; None if sealing was not allowed.
    #[serde(serialize_with = "seals")]
    pub seals: Option<Seals>,
    /// The size of the pool, or of all dma-bufs together, in bytes, at the end.
    pub pool_bytes: u64,
    /// Frames committed.
    pub committed: u64,
    /// Frames that the compositor says it has shown.
    pub presented: u64,
    /// Frames that another replaced before they were shown.
    pub discarded: u64,
    /// Buffers that came back.
    pub released: u64,
    /// Presented frames that the compositor marked `zero_copy`.
    pub zero_copy: u64,
    /// From the first to the last presented frame, in seconds.
    pub seconds: f64,
    /// Presented frames per second over that time; 0 for fewer than two frames.
    pub rate: f64,
    /// Where the times of presentation come from.
    pub present_source: PresentSource,
    /// From commit to presentation.
    pub commit_to_present: Latency,
    /// From commit to the release of the buffer. A buffer is released when the next one replaces it, so this is at
    /// least one frame's time with most compositors.
    pub commit_to_release: Latency,
    /// What came of [`Config::shrink_after`].
    pub shrink: Option<ShrinkOutcome>,
    /// The compositor's record of the first buffer that was presented, at that time.
    pub first_record: Option<LedgerRecord>,
    /// Its records of all buffers at the end. Empty if it keeps no ledger.
    pub records: Vec<LedgerRecord>,
    /// Why the run ended.
    pub ended: Ended,
}

impl Statistics {
    pub(crate) fn new(config: &Config) -> Statistics {
        Statistics {
            pattern: config.pattern.name(),
            size: config.size,
            format: config.format.name(),
            buffers: Buffers::default(),
            memory: config.memory.to_string(),
            seals: config.seals,
            pool_bytes: 0,
            committed: 0,
            presented: 0,
            discarded: 0,
            released: 0,
            zero_copy: 0,
            seconds: 0.0,
            rate: 0.0,
            present_source: PresentSource::FrameCallback,
            commit_to_present: Latency::default(),
            commit_to_release: Latency::default(),
            shrink: None,
            first_record: None,
            records: Vec::new(),
            ended: Ended::Failed,
        }
    }
}

fn seals<S: Serializer>(seals: &Option<Seals>, serializer: S) -> Result<S::Ok, S::Error> {
    seals.map(|seals| seals.to_string()).serialize(serializer)
}

/// A latency over a run, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half of them took no longer than this.
    pub p50_us: u64,
    /// 99 of 100 took no longer than this.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Counts durations in fixed memory, however long a run is: exact below 256 µs, else within 1/128.
#[derive(Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    max: u64,
}

/// Buckets per power of two.
const STEPS: u64 = 128;

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { buckets: vec![0; bucket(u32::MAX.into()) + 1], max: 0 }
    }

    /// Counts one duration, in nanoseconds.
    pub fn add(&mut self, nanoseconds: u64) {
        let us = (nanoseconds / 1000).min(u32::MAX.into());
        self.buckets[bucket(us)] += 1;
        self.max = self.max.max(us);
    }

    pub fn latency(&self) -> Latency {
        let count: u64 = self.buckets.iter().sum();
        let quantile = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let found = self.buckets.iter().position(|n| {
                seen += n;
                seen >= rank
            });
            found.map_or(0, |index| highest(index).min(self.max))
        };
        Latency { count, p50_us: quantile(50), p99_us: quantile(99), max_us: self.max }
    }
}

/// The bucket of a duration: its highest bits and how far they are shifted.
fn bucket(us: u64) -> usize {
    let shift = u64::from((us | 1).ilog2().saturating_sub(STEPS.ilog2()));
    (shift * STEPS + (us >> shift)) as usize
}

/// The longest duration in a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let start = bucket - shift * STEPS;
    ((start + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_durations_to_one_part_in_128(us in 0..u64::from(u32::MAX)) {
            let top = highest(bucket(us));
            prop_assert!(top >= us && top - us <= us / 128, "{} in a bucket up to {}", us, top);
            prop_assert!(bucket(us) <= bucket(us + 1));
        }
    }

    #[test]
    fn quantiles_of_known_times() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.latency(), Latency::default());
        (1..=100).for_each(|us| histogram.add(us * 1000));
        let expected = Latency { count: 100, p50_us: 50, p99_us: 99, max_us: 100 };
        assert_eq!(histogram.latency(), expected);
        histogram.add(u64::MAX);
        assert_eq!(histogram.latency().max_us, u64::from(u32::MAX));
    }
}
