//! What was seen, as it is collected: per connection its pools, dma-bufs, buffers and surfaces, by number.

use std::collections::BTreeSet;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use shm_core::verdict::Unusable;

use crate::memory::{Arrival, Memory};
use crate::picture::{Budget, Compared, Picture};

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
    pub surfaces: Vec<Surface>,
    /// When pictures may be looked at next.
    pub budget: Budget,
    /// Commits with a buffer, of all its surfaces.
    pub frames: u64,
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
    /// Its inode: the same one may come again and again.
    pub key: Option<(u64, u64)>,
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

    /// The content was compared with that at the commit.
    fn checked(&mut self, differs: bool) {
        self.compared += 1;
        self.drew_early += u64::from(differs);
    }

    /// The median and the longest time for which the compositor held a buffer.
    pub fn held(&self) -> Option<(Duration, Duration)> {
        let mut times = self.held.clone();
        times.sort_unstable();
        Some((*times.get(times.len() / 2)?, *times.last()?))
    }
}

/// Where a buffer's pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What it showed then, if that was looked at.
    pub fingerprint: Option<u32>,
}

/// A `wl_surface`, and the comparisons of what it showed with what it showed before.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    pub commits: u64,
    pub comparisons: u64,
    /// All that was compared.
    pub sum: Compared,
    /// Comparisons in which nearly all was damaged and little had changed.
    pub wasteful: u64,
    /// Comparisons in which something had changed that was not damaged.
    pub missed: u64,
}

impl Surface {
    pub fn compared(&mut self, compared: Compared) {
        self.comparisons += 1;
        self.sum.total += compared.total;
        self.sum.damaged += compared.damaged;
        self.sum.changed += compared.changed;
        self.sum.missed += compared.missed;
        let tenth = compared.total / 10;
        self.wasteful += u64::from(compared.damaged >= compared.total - tenth && compared.changed <= tenth);
        self.missed += u64::from(compared.missed > 0);
    }
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

impl Buffer {
    /// What it shows now, if that can be read.
    pub fn picture(&self) -> Option<Picture> {
        Picture::read(self.memory.as_ref()?, &self.layout)
    }
}

impl Connection {
    /// The usage of the memory behind a buffer.
    pub fn usage(&mut self, buffer: usize) -> Option<&mut Usage> {
        match self.buffers.get(buffer)?.source {
            Source::Pool(i) => self.pools.get_mut(i).map(|pool| &mut pool.usage),
            Source::DmaBuf(i) => self.dmabufs.get_mut(i).map(|dmabuf| &mut dmabuf.usage),
        }
    }

    /// The number of a dma-buf, which may be known already.
    pub fn dmabuf(&mut self, dmabuf: DmaBuf) -> usize {
        let known = self.dmabufs.iter().position(|known| known.key.is_some() && known.key == dmabuf.key);
        known.unwrap_or_else(|| {
            self.dmabufs.push(dmabuf);
            self.dmabufs.len() - 1
        })
    }

    /// A buffer was committed. `picture`: what it shows, if that was looked at.
    pub fn committed(&mut self, buffer: usize, picture: Option<&Picture>) {
        let fingerprint = picture.map(Picture::fingerprint);
        self.frames += 1;
        let known = self.buffers.get(buffer).and_then(|b| b.fingerprint);
        if let Some(usage) = self.usage(buffer) {
            usage.commits += 1;
            if let (Some(known), Some(now)) = (known, fingerprint) {
                usage.checked(known != now);
            }
        }
        if let Some(buffer) = self.buffers.get_mut(buffer) {
            // Committed once more before its release, it is held since the first time.
            buffer.committed.get_or_insert_with(Instant::now);
            buffer.fingerprint = fingerprint;
            if let Source::Pool(pool) = buffer.source {
                self.measure(pool);
            }
        }
    }

    /// The compositor has given a buffer back; the program does not know yet.
    pub fn released(&mut self, buffer: usize) {
        let Some(found) = self.buffers.get_mut(buffer) else { return };
        let (since, known) = (found.committed.take(), found.fingerprint.take());
        let now = known.and_then(|_| {
            let began = Instant::now();
            let now = found.picture()?.fingerprint();
            self.budget.spent(began);
            Some(now)
        });
        let Some(usage) = self.usage(buffer) else { return };
        if let Some(since) = since {
            usage.held_for(since.elapsed());
        }
        if let (Some(known), Some(now)) = (known, now) {
            usage.checked(known != now);
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
