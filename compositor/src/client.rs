//! What the compositor knows about a client as a whole, and what it allows it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wayland_server::backend::{ClientData, ClientId, DisconnectReason};

use crate::buffer::Policy;
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
    /// Bytes of its memory that reading may have turned from holes into pages. The nominal size of
    /// a pool does not count: terminals declare half a gigabyte and use a few megabytes.
    pub touched_bytes: u64,
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
    /// Bytes that reading may have turned from holes into pages.
    pub touched: AtomicU64,
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
        Self { key, pid, program, policy, limits, counts: Counts::default(), departures }
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
