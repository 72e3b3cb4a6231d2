//! The clients' sockets: each is served in turn, and a client whose socket never is empty is cut off. That is how it should
//! be; and here are the faults of those who read and write sockets themselves.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::RecvFlags;
use rustix::process::{Resource, Rlimit};
use shm_core::process::scheduled;
use wayland_server::backend::{ClientData, ClientId, DisconnectReason};
use wayland_server::{Client, Display, DisplayHandle};

use super::State;

/// How long a client's turn may be.
const TURN: Duration = Duration::from_millis(300);
/// How many pools a client may have made.
const POOLS: usize = 1000;

/// What is known of a client besides its objects.
#[derive(Default)]
struct Peer {
    gone: AtomicBool,
    pools: AtomicUsize,
}

impl ClientData for Peer {
    fn initialized(&self, _: ClientId) {}
    fn disconnected(&self, _: ClientId, _: DisconnectReason) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Counts a pool.
pub fn may_have_another_pool(client: &Client) -> bool {
    let peer = client.get_data::<Peer>();
    peer.is_none_or(|peer| peer.pools.fetch_add(1, Ordering::Relaxed) < POOLS)
}

/// Whose turn it is, and since when, if anybody has looked.
type Turn = Arc<Mutex<Option<(Option<Duration>, Arc<UnixStream>)>>>;

/// The processor's time that a thread of this process has had: a slow machine ends nobody.
fn time_of(thread: rustix::process::Pid) -> Duration {
    let task = format!("/proc/self/task/{}", thread.as_raw_nonzero());
    scheduled(task.as_ref()).unwrap_or_default().ran
}

pub struct Sockets {
    clients: HashMap<ClientId, (Arc<UnixStream>, Arc<Peer>)>,
    turn: Turn,
}

impl Sockets {
    pub fn new() -> Sockets {
        let limit = rustix::process::getrlimit(Resource::Nofile);
        let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        let times = std::env::var("SELKIE_PATIENCE").map_or(1, |times| times.parse().unwrap());
        let (turn, own) = (Turn::default(), rustix::thread::gettid());
        let watched = turn.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(TURN / 4);
                let mut turn = watched.lock().unwrap();
                let Some((since, stream)) = &mut *turn else { continue };
                let now = time_of(own);
                if now.saturating_sub(*since.get_or_insert(now)) > TURN * times {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        });
        Sockets { clients: HashMap::new(), turn }
    }

    pub fn insert(&mut self, handle: &mut DisplayHandle, stream: UnixStream) {
        // Without fds it can only be closed.
        let Ok(own) = stream.try_clone() else { return };
        let peer = Arc::new(Peer::default());
        if let Ok(client) = handle.insert_client(stream, peer.clone()) {
            self.clients.insert(client.id(), (Arc::new(own), peer));
        }
    }

    pub fn serve(&mut self, display: &mut Display<State>, state: &mut State) {
        let ids: Vec<ClientId> = self.clients.keys().cloned().collect();
        for id in ids {
            let (stream, _) = &self.clients[&id];
            if !is(stream, PollFlags::IN, Some(Duration::ZERO)) {
                continue;
            }
            look_ahead(stream, state);
            // Who waits for readers, or recurses, must come to that: on a slow machine the flood itself may take too long a turn.
            let lasts = ["serves-until-empty", "waits-for-readers", "recurses"];
            if !lasts.iter().any(|fault| state.has(fault)) {
                *self.turn.lock().unwrap() = Some((None, stream.clone()));
            }
            let _ = display.backend().dispatch_single_client(state, id.clone());
            *self.turn.lock().unwrap() = None;
            let _ = display.backend().flush(Some(id));
        }
        state.call_back();
        let _ = display.flush_clients();
        if state.has("waits-for-readers") {
            for (stream, _) in self.clients.values() {
                is(stream, PollFlags::OUT, None);
            }
        }
        if state.has("draws-each-surface") {
            // Those that are gone, too: the watchdog may end the client that makes many in the same turn. A few dozen are enough.
            let drawing = Duration::from_millis(20 * state.made as u64);
            std::thread::sleep(drawing.min(Duration::from_secs(2)));
        }
        if !state.has("keeps-sockets") {
            self.clients.retain(|_, (_, peer)| !peer.gone.load(Ordering::Relaxed));
        }
    }
}

fn is(stream: &UnixStream, what: PollFlags, within: Option<Duration>) -> bool {
    let within = within.map(|within| Timespec::try_from(within).unwrap());
    poll(&mut [PollFd::new(stream, what)], within.as_ref()).unwrap_or(0) > 0
}

/// What careless decoders do with what has come. The library reads it afterwards.
fn look_ahead(stream: &UnixStream, state: &State) {
    let faults = [
        "believes-sizes",
        "waits-for-the-rest",
        "believes-strings",
        "needs-strings",
        "has-a-short-table",
        "grows-its-table",
    ];
    if !faults.iter().any(|fault| state.has(fault)) {
        return;
    }
    let mut buffer = vec![0; 1 << 18];
    loop {
        let Ok((len, _)) = rustix::net::recv(stream, &mut buffer[..], RecvFlags::PEEK) else { return };
        let bytes = &buffer[..len];
        let word = |at: usize| bytes.get(at..at + 4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        let mut at = 0;
        while let (Some(object), Some(second)) = (word(at), word(at + 4)) {
            let (size, opcode) = (second as usize >> 16, second & 0xffff);
            if state.has("has-a-short-table") {
                assert!(object < 1 << 20, "index out of bounds: {object}");
            }
            if state.has("grows-its-table") && (size, opcode) == (12, 0) {
                assert!(word(at + 8).unwrap_or(0) < 1 << 30, "capacity overflow");
            }
            if state.has("believes-strings") && (object, opcode) == (2, 0) {
                let length = word(at + 12).unwrap_or(0) as usize;
                let _ = &bytes[at + 16..at + 16 + length];
            }
            if state.has("needs-strings") && (object, opcode) == (2, 0) {
                assert_ne!(word(at + 12), Some(0), "a string must be there");
            }
            if state.has("believes-sizes") {
                assert!(size <= 4096, "it does not fit in the buffer");
                at += size;
            } else {
                at += size.max(8);
            }
        }
        if at == len || len == 0 || !state.has("waits-for-the-rest") {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
