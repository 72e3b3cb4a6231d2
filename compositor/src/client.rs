//! What the compositor knows about a client as a whole, and what it allows it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wayland_server::backend::{ClientData, ClientId, DisconnectReason};

use crate::buffer::{DmaKey, DmaMemory, Held, Policy, Pool};
use crate::error::ProtocolError;

/// What one client may have at a time. Every limit ends that client alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `wl_shm_pool`s whose memory is held; each takes one fd of the compositor.
    pub pools: u64,
    /// `wl_buffer`s.
    pub buffers: u64,
    /// `wl_surface`s.
    pub surfaces: u64,
    /// Subsurfaces of subsurfaces of …
    pub subsurface_depth: usize,
    /// Bytes of memory that its pools really hold, and that showing its buffers may add: reading a
    /// hole makes a page of it. The nominal size of a pool does not count: terminals declare half a
    /// gigabyte and use a few megabytes.
    pub touched_bytes: u64,
    /// Dma-bufs that are held, in buffers or in what is to become one; each takes one fd.
    pub dmabufs: u64,
    /// Bytes of all its dma-bufs together, used or not.
    pub dmabuf_bytes: u64,
    /// States of surfaces that wait for fences to signal, each of which may take a few fds.
    pub held_states: usize,
    /// `zwlr_screencopy_frame_v1`s.
    pub captures: u64,
    /// Protocol objects of all kinds.
    pub objects: usize,
    /// Frame callbacks and presentation feedbacks waiting on one surface.
    pub callbacks: usize,
    /// Bytes of events that the client has not read.
    pub unread_bytes: usize,
    /// fds that were sent with requests that take none.
    pub stray_fds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pools: 4096,
            buffers: 16384,
            surfaces: 8192,
            subsurface_depth: 64,
            touched_bytes: 4 << 30,
            dmabufs: 4096,
            dmabuf_bytes: 4 << 30,
            held_states: 1024,
            captures: 64,
            objects: 1 << 17,
            callbacks: 16384,
            unread_bytes: 1 << 20,
            stray_fds: 64,
        }
    }
}

/// How much of its limits a client uses.
#[derive(Debug, Default)]
pub struct Counts {
    /// `wl_shm_pool`s whose memory is held.
    pub pools: AtomicU64,
    /// `wl_buffer`s.
    pub buffers: AtomicU64,
    /// `wl_surface`s.
    pub surfaces: AtomicU64,
    /// Dma-bufs.
    pub dmabufs: AtomicU64,
    /// Bytes of its dma-bufs.
    pub dmabuf_bytes: AtomicU64,
    /// `zwlr_screencopy_frame_v1`s.
    pub captures: AtomicU64,
    /// Fences that are waited for.
    pub fences: AtomicU64,
    /// No less than the bytes of memory that its pools hold: what they held when that was last
    /// looked at, and the buffers shown since then.
    pub touched: AtomicU64,
    /// Pools that the host has been shown.
    pub host_pools: AtomicU64,
    /// Buffers that the host has been shown.
    pub host_buffers: AtomicU64,
}

/// One more of what a client has, as long as this lives.
pub(crate) struct Counted {
    client: Arc<ClientState>,
    count: fn(&Counts) -> &AtomicU64,
}

impl Counted {
    /// One more of what `count` counts, unless there are `most` already.
    pub fn take(client: &Arc<ClientState>, count: fn(&Counts) -> &AtomicU64, most: u64) -> Option<Self> {
        let counted = Self::add(client, count);
        (count(&client.counts).load(Ordering::Relaxed) <= most).then_some(counted)
    }

    /// One more of what `count` counts.
    pub fn add(client: &Arc<ClientState>, count: fn(&Counts) -> &AtomicU64) -> Self {
        count(&client.counts).fetch_add(1, Ordering::Relaxed);
        Self { client: client.clone(), count }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.client.counts).fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connected client.
pub struct ClientState {
    /// Its number in the ledger; never used again.
    pub key: u64,
    /// Its process, as the kernel told at connect (`SO_PEERCRED`).
    pub pid: i32,
    /// Its program's name.
    pub program: String,
    /// The policy for it.
    pub policy: Policy,
    /// What it may have.
    pub limits: Arc<Limits>,
    /// What it has.
    pub counts: Counts,
    /// Its pools by number.
    pub(crate) pools: Mutex<HashMap<u64, Weak<Pool>>>,
    /// Its dma-bufs.
    pub(crate) dmabufs: Mutex<HashMap<DmaKey, Weak<DmaMemory>>>,
    /// What a host still reads although the client has destroyed it.
    lingering: Mutex<Vec<Weak<Held>>>,
    departures: Departures,
}

/// Clients that went away, until the server has time for them.
pub type Departures = Arc<Mutex<Vec<(u64, Option<String>)>>>;

impl ClientState {
    /// A client that has just connected.
    pub fn new(
        key: u64,
        pid: i32,
        program: String,
        policy: Policy,
        limits: Arc<Limits>,
        departures: Departures,
    ) -> Self {
        let (counts, pools, dmabufs, lingering) = Default::default();
        Self { key, pid, program, policy, limits, counts, pools, dmabufs, lingering, departures }
    }

    /// A host still reads a buffer that the client has destroyed; when the client goes, nobody waits for that any more.
    pub(crate) fn linger(&self, held: &Arc<Held>) {
        let mut lingering = self.lingering.lock().unwrap_or_else(PoisonError::into_inner);
        lingering.retain(|l| l.strong_count() > 0);
        lingering.push(Arc::downgrade(held));
    }

    /// The client is gone: what a host still reads of it is the host's affair.
    pub(crate) fn end_lingering(&self) {
        let lingering = std::mem::take(&mut *self.lingering.lock().unwrap_or_else(PoisonError::into_inner));
        lingering.iter().filter_map(Weak::upgrade).for_each(|held| held.end());
    }

    /// A frame is about to show `bytes` of its buffers, each of which may become a page.
    ///
    /// Looking at every pool takes a system call each, so it is done only when all that was shown since
    /// the last look might have filled the limit.
    ///
    /// # Errors
    ///
    /// `wl_display.error.no_memory` if its pools could hold more than the limit then.
    pub(crate) fn touch(&self, bytes: u64) -> Result<(), ProtocolError> {
        let limit = self.limits.touched_bytes;
        if self.counts.touched.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= limit {
            return Ok(());
        }
        // Collected first: a pool that is dropped takes itself off the list.
        let pools: Vec<Arc<Pool>> = {
            let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
            pools.values().filter_map(Weak::upgrade).collect()
        };
        // Several pools may be of the same memory. And what is full cannot get fuller.
        let memory: HashMap<_, _> = pools.iter().filter_map(|pool| pool.resident()).collect();
        let sum = |sum: u64, n: u64| sum.saturating_add(n);
        let held = memory.values().map(|m| m.held).fold(0, sum);
        let size = memory.values().map(|m| m.size).fold(0, sum);
        let most = held.saturating_add(bytes).min(size.max(held));
        self.counts.touched.store(most, Ordering::Relaxed);
        if most > limit {
            return Err(ProtocolError::no_memory(format!(
                "its pools hold {held} bytes of memory and {bytes} are to be shown: more than {limit} in all"
            )));
        }
        Ok(())
    }

    /// Takes one more of what `count` counts.
    ///
    /// # Errors
    ///
    /// `wl_display.error.no_memory` if `limit` are there already.
    pub(crate) fn take(&self, count: &AtomicU64, limit: u64, what: &str) -> Result<(), ProtocolError> {
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(ProtocolError::no_memory(format!("more than {limit} {what} at a time")));
        }
        Ok(())
    }
}

/// A client's state, as wayland-server keeps it with the connection.
pub(crate) struct Connection(pub Arc<ClientState>);

impl ClientData for Connection {
    fn disconnected(&self, _client: ClientId, reason: DisconnectReason) {
        let why = match reason {
            DisconnectReason::ConnectionClosed => None,
            DisconnectReason::ProtocolError(e) => Some(e.to_string()),
        };
        self.0.departures.lock().unwrap_or_else(PoisonError::into_inner).push((self.0.key, why));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn only_memory_that_is_there_counts_and_too_much_of_it_ends_its_client() {
        let mut fixture = Fixture::with(|c| c.limits.touched_bytes = 256 << 10);
        let mut other = fixture.connect();
        fixture.map(&mut other, "other", (20, 20), 0x00ff00);
        let mut client = fixture.connect();
        let window = fixture.map(&mut client, "shown again and again", (100, 100), 0xff0000);
        let buffer = client.buffer((100, 100), 0x0000ff);
        for _ in 0..100 {
            window.surface.attach(Some(&buffer), 0, 0);
            window.surface.damage_buffer(0, 0, 100, 100);
            window.surface.commit();
            fixture.roundtrip(&mut client);
        }
        assert_eq!(client.error(), None);

        client.draw(&window.surface, (200, 200), 0xff0000);
        fixture.roundtrip(&mut client);
        fixture.roundtrip(&mut client);
        assert_eq!(client.error(), None);
        client.draw(&window.surface, (200, 200), 0xff0000);
        // Told by the frame, which comes after the answer.
        fixture.roundtrip(&mut client);
        assert_eq!(fixture.error(&mut client), ("wl_display".to_owned(), 2));
        fixture.roundtrip(&mut other);
        assert_eq!(other.error(), None);
    }
}
