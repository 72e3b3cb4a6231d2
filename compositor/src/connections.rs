//! Connections: taking clients in, letting each have its turn, and seeing them off.
//!
//! wayland-server can read from all clients at once, but then goes on as long as any of them has
//! something to say. Here each connection is an event source of its own, so that a turn of the loop
//! serves every client once, and frames are made in between. A turn itself ends when the client's
//! socket is empty; for one that never is, there is the watchdog.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::{Dispatcher, Interest, Mode, PostAction, Readiness, RegistrationToken};
use wayland_server::{Client, Display};

use crate::buffer::Policy;
use crate::client::{ClientState, Connection, Departures, Limits};
use crate::dispatch::{display_object, post};
use crate::error::ProtocolError;
use crate::server::Server;
use crate::watchdog::Watchdog;

/// So many turns of a client pass between two counts of its objects.
const TURNS_PER_OBJECT_COUNT: u32 = 256;
/// After a turn that took longer its objects are counted, too: many could have been made in it.
const LONG_TURN: Duration = Duration::from_millis(20);
/// So many turns pass between two looks at how many fds are open.
const TURNS_PER_FD_COUNT: u32 = 64;
/// A turn that lasts longer than this has frames made within it, in nanoseconds.
const FRAME_WITHIN_TURN_NS: u64 = 8_000_000;
/// fds of the compositor's own that may come and go without anybody being suspected.
const FD_SLACK: u64 = 64;

/// All connections.
pub(crate) struct Connections {
    display: Rc<RefCell<Display<Server>>>,
    open: HashMap<u64, Open>,
    pub departures: Departures,
    limits: Arc<Limits>,
    watchdog: Watchdog,
    turns: u32,
    /// Whose turn it is, or was last.
    turn_of: u64,
    /// When the present turn began, or the last frame within it was made.
    turn_began_ns: u64,
    /// fds that are open without any client.
    baseline: u64,
    /// Somebody sends fds that nothing takes; every turn is watched until it is known who.
    suspicious: bool,
}

struct Open {
    client: Client,
    state: Arc<ClientState>,
    stream: Arc<UnixStream>,
    source: Dispatcher<'static, Generic<Arc<UnixStream>>, Server>,
    token: RegistrationToken,
    /// Its socket is full; the loop is to tell when it no longer is.
    blocked: bool,
    /// fds that came in this client's turns and that no request took.
    stray_fds: u64,
    turns: u32,
}

impl Connections {
    /// No connections to `display`.
    pub fn new(display: Display<Server>, limits: Limits) -> io::Result<Self> {
        Ok(Self {
            display: Rc::new(RefCell::new(display)),
            open: HashMap::new(),
            departures: Departures::default(),
            limits: Arc::new(limits),
            watchdog: Watchdog::start()?,
            turns: 0,
            turn_of: 0,
            turn_began_ns: 0,
            baseline: 0,
            suspicious: false,
        })
    }

    /// Notes how many fds are open before there are any clients.
    pub fn set_baseline(&mut self) {
        self.baseline = open_fds();
    }

    /// What is known about a client that is connected.
    #[cfg(feature = "fuzzing")]
    pub fn state(&self, key: u64) -> Option<&Arc<ClientState>> {
        self.open.get(&key).map(|open| &open.state)
    }

    /// How many there are.
    #[cfg(feature = "fuzzing")]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// fds that the known pools and connections explain.
    fn explained(&self) -> u64 {
        self.open.values().map(|o| fds_of(&o.state)).sum()
    }
}

/// fds that a client's connection, pools, dma-bufs and fences take: its socket is held twice.
fn fds_of(state: &ClientState) -> u64 {
    let counts = &state.counts;
    let fds = [&counts.pools, &counts.dmabufs, &counts.fences];
    fds.into_iter().fold(2, |sum, n| sum + n.load(std::sync::atomic::Ordering::Relaxed))
}

fn open_fds() -> u64 {
    // Without /proc nothing is counted and nobody suspected.
    shm_core::process::open_fds().map_or(0, |n| n as u64)
}

impl Server {
    /// Takes a connection in. `label` and `policy` override what its process would say.
    pub fn insert_client(
        &mut self,
        stream: UnixStream,
        label: Option<String>,
        policy: Option<Policy>,
    ) -> io::Result<()> {
        let pid = rustix::net::sockopt::socket_peercred(&stream)
            .map(|c| rustix::process::Pid::as_raw(Some(c.pid)))
            .unwrap_or(0);
        let program =
            label.or_else(|| shm_core::process::program_name(pid)).unwrap_or_else(|| "unknown".to_owned());
        let policy = policy.unwrap_or_else(|| self.config.policies.for_program(&program));
        let key = self.next_id();
        let connections = &mut self.connections;
        let state = Arc::new(ClientState::new(
            key,
            pid,
            program,
            policy,
            connections.limits.clone(),
            connections.departures.clone(),
        ));
        let ours = Arc::new(stream.try_clone()?);
        let client = self.display.insert_client(stream, Arc::new(Connection(state.clone())))?;
        let display = connections.display.clone();
        let id = client.id();
        let source = Generic::new(ours.clone(), Interest::READ, Mode::Level);
        let source = Dispatcher::new(source, move |ready: Readiness, stream, server: &mut Server| {
            // What can be written is written when the loop has no events left.
            if ready.readable || ready.error {
                let began = Instant::now();
                let before = server.connections.before_turn(key, stream);
                // An error is the end of the connection, which `reap` deals with.
                let _ = display.borrow_mut().backend().dispatch_single_client(server, id.clone());
                server.after_turn(key, before, began.elapsed());
            }
            Ok(PostAction::Continue)
        });
        let token = self.handle.register_dispatcher(source.clone()).map_err(io::Error::other)?;
        self.ledger.client_came(&state);
        let open =
            Open { client, state, stream: ours, source, token, blocked: false, stray_fds: 0, turns: 0 };
        self.connections.open.insert(key, open);
        Ok(())
    }

    /// Sends every client what is buffered for it. Where a socket is full, the loop wakes up when the client
    /// has read some of it: it may be waiting for the rest.
    pub fn flush(&mut self) {
        let mut backend = self.display.backend_handle();
        for open in self.connections.open.values_mut() {
            let flushed = backend.flush(Some(open.client.id()));
            // Any other error is the end of the connection, and read as such in its next turn.
            let blocked = flushed.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
            if std::mem::replace(&mut open.blocked, blocked) != blocked {
                let interest = if blocked { Interest::BOTH } else { Interest::READ };
                open.source.as_source_mut().interest = interest;
                if let Err(e) = self.handle.update(&open.token) {
                    tracing::error!(client = open.state.key, "cannot watch its socket: {e}");
                }
            }
        }
    }

    /// Makes the frame that is due if the present turn has kept it waiting for too long: a client that talks without
    /// a pause holds up the others' requests until it is cut off, but not the screen.
    ///
    /// Its own events wait until the turn is over. If it is only slow to serve, it would answer them at once, and where
    /// that takes longer than the next frame its turn would never end.
    pub fn frame_within_turn(&mut self) {
        let now = crate::clock::now_ns();
        if now.saturating_sub(self.connections.turn_began_ns) > FRAME_WITHIN_TURN_NS {
            self.connections.turn_began_ns = now;
            self.frame_if_overdue();
            let mut backend = self.display.backend_handle();
            for (key, open) in &self.connections.open {
                if *key != self.connections.turn_of {
                    // A socket that is full is seen at the end of the turn.
                    let _ = backend.flush(Some(open.client.id()));
                }
            }
        }
    }

    fn after_turn(&mut self, key: u64, before: Option<u64>, took: Duration) {
        self.connections.watchdog.stand_down();
        if let Some(open) = self.connections.open.get_mut(&key) {
            open.turns = open.turns.wrapping_add(1);
            if open.turns.is_multiple_of(TURNS_PER_OBJECT_COUNT) || took > LONG_TURN {
                self.count_objects(key);
            }
        }
        if let Some(before) = before {
            self.count_strays(key, before);
        }
    }

    /// Ends a client that has too many objects. Those that have no limit of their own are small, but
    /// nothing else keeps their number down.
    fn count_objects(&mut self, key: u64) {
        let Some(open) = self.connections.open.get(&key) else { return };
        let mut objects = 0_usize;
        let handle = self.display.backend_handle();
        // Fails for a client that is gone.
        let _ = handle.with_all_objects_for(open.client.id(), |_| objects += 1);
        let limit = self.connections.limits.objects;
        if objects > limit
            && let Some(display) = display_object(&self.display, open.client.id())
        {
            let message = format!("more than {limit} objects at a time");
            post(&self.display, &open.state, display, ProtocolError::no_memory(message));
        }
    }

    /// Blames the client whose turn it was for the fds that came and that nothing took.
    fn count_strays(&mut self, key: u64, before: u64) {
        let after = open_fds().saturating_sub(self.connections.explained());
        let limit = self.connections.limits.stray_fds;
        let Some(open) = self.connections.open.get_mut(&key) else { return };
        open.stray_fds = (open.stray_fds + after).saturating_sub(before);
        if open.stray_fds > limit {
            let message = format!("more than {limit} fds were sent with requests that take none");
            match display_object(&self.display, open.client.id()) {
                Some(object) => {
                    post(&self.display, &open.state, object, ProtocolError::no_memory(message));
                }
                None => drop(open.stream.shutdown(Shutdown::Both)),
            }
        }
    }

    /// Deals with clients that went away.
    pub fn reap(&mut self) {
        loop {
            let departures = &self.connections.departures;
            let gone = std::mem::take(&mut *departures.lock().unwrap_or_else(PoisonError::into_inner));
            if gone.is_empty() {
                break;
            }
            for (key, why) in gone {
                let Some(open) = self.connections.open.remove(&key) else { continue };
                // Our half of the socket goes first, so that the client sees the end at once.
                self.handle.remove(open.token);
                // Has wayland-server clean up after clients that ended outside their turn.
                let display = self.connections.display.clone();
                let _ = display.borrow_mut().backend().dispatch_single_client(self, open.client.id());
                open.state.end_lingering();
                self.seat.client_gone(key);
                self.ledger.client_went(key, why);
            }
        }
    }
}

impl Connections {
    /// Begins a turn; returns the unexplained fds before it where they are being watched.
    fn before_turn(&mut self, key: u64, stream: &Arc<UnixStream>) -> Option<u64> {
        self.turn_of = key;
        self.watchdog.watch(stream);
        self.turn_began_ns = crate::clock::now_ns();
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(TURNS_PER_FD_COUNT) {
            let unexplained = open_fds().saturating_sub(self.explained());
            self.suspicious = unexplained > self.baseline + FD_SLACK;
        }
        self.suspicious.then(|| open_fds().saturating_sub(self.explained()))
    }
}
