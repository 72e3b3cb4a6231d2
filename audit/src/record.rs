//! What was seen, as it is collected: per connection its pools, dma-bufs, buffers and surfaces, by number.

use std::collections::BTreeSet;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use shm_core::verdict::Unusable;

use crate::memory::{Arrival, Memory};

/// Times that are kept of one pool; more say nothing more about their median.
const MOST_TIMES: usize = 4096;

/// One connection of the program, or of one of its children.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub program: String,
    pub pid: i32,
    /// Why the compositor ended it.
    pub error: Option<String>,
    pub pools: Vec<Pool>,
    pub dmabufs: Vec<DmaBuf>,
    pub buffers: Vec<Buffer>,
    /// Globals that it was told of.
    pub shown: BTreeSet<String>,
}

/// A `wl_shm_pool`.
#[derive(Debug)]
pub(crate) struct Pool {
    pub arrival: Arrival,
    /// There as long as the pool or one of its buffers is.
    pub memory: Weak<Memory>,
    pub claimed: u64,
    pub largest_claim: u64,
    pub file_size: Option<u64>,
    pub resident: Option<u64>,
    pub resizes: u32,
    /// The first resize that no policy would have let pass.
    pub bad_resize: Option<Unusable>,
    pub usage: Usage,
}

/// A dma-buf of a plane of a buffer.
#[derive(Debug)]
pub(crate) struct DmaBuf {
    pub exporter: String,
    pub name: String,
    pub size: Option<u64>,
    /// Why it is no dma-buf.
    pub wrong: Option<String>,
    pub usage: Usage,
}

/// What became of the buffers of one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub commits: u64,
    pub releases: u64,
    held: Vec<Duration>,
    /// How often the content at the release, or the next commit, was compared with that at the commit.
    pub compared: u64,
    /// How often it was another.
    pub drew_early: u64,
}

impl Usage {
    pub fn held_for(&mut self, time: Duration) {
        self.releases += 1;
        if self.held.len() < MOST_TIMES {
            self.held.push(time);
        }
    }

    /// The median and the longest time for which the compositor held a buffer.
    pub fn held(&self) -> Option<(Duration, Duration)> {
        let mut times = self.held.clone();
        times.sort_unstable();
        Some((*times.get(times.len() / 2)?, *times.last()?))
    }
}

/// Where a buffer's pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Pool(usize),
    DmaBuf(usize),
}

/// A `wl_buffer`.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub source: Source,
    pub layout: Layout,
    /// Dropped with the wl_buffer.
    pub memory: Option<Rc<Memory>>,
    /// When it was committed, if it has not been released since.
    pub committed: Option<Instant>,
}

/// The numbers of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Layout {
    pub offset: i64,
    pub width: i32,
    pub height: i32,
    pub stride: i64,
    /// As DRM has it.
    pub fourcc: u32,
    /// Of dma-bufs.
    pub modifier: Option<u64>,
}

impl Connection {
    /// The usage of the memory behind a buffer.
    pub fn usage(&mut self, buffer: usize) -> Option<&mut Usage> {
        match self.buffers.get(buffer)?.source {
            Source::Pool(i) => self.pools.get_mut(i).map(|pool| &mut pool.usage),
            Source::DmaBuf(i) => self.dmabufs.get_mut(i).map(|dmabuf| &mut dmabuf.usage),
        }
    }

    /// A buffer was committed.
    pub fn committed(&mut self, buffer: usize) {
        if let Some(usage) = self.usage(buffer) {
            usage.commits += 1;
        }
        if let Some(buffer) = self.buffers.get_mut(buffer) {
            // Committed once more before its release, it is held since the first time.
            buffer.committed.get_or_insert_with(Instant::now);
            if let Source::Pool(pool) = buffer.source {
                self.measure(pool);
            }
        }
    }

    /// The compositor has given a buffer back.
    pub fn released(&mut self, buffer: usize) {
        let since = self.buffers.get_mut(buffer).and_then(|b| b.committed.take());
        if let (Some(since), Some(usage)) = (since, self.usage(buffer)) {
            usage.held_for(since.elapsed());
        }
    }

    /// Takes the size of a pool's file, and how much of it is there.
    pub fn measure(&mut self, pool: usize) {
        let Some(pool) = self.pools.get_mut(pool) else { return };
        let Some(memory) = pool.memory.upgrade() else { return };
        pool.file_size = memory.size().or(pool.file_size);
        pool.resident = pool.resident.max(memory.resident());
    }

    /// Everything as it is at the end.
    pub fn finish(&mut self) {
        for pool in 0..self.pools.len() {
            self.measure(pool);
        }
    }
}
