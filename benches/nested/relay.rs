//! A socket between a compositor and its client that passes on what both say, and notes when commits came to it.
//!
//! It stands where the host's socket is: what it reads, the host would have read then. So it can be told when a commit got to
//! the host, whichever host that is, and whoever commits: a nested compositor, or a client of the host's own.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::now_ns;
use crate::support::process::patience;

/// The socket.
pub struct Relay {
    /// Its path.
    pub socket: PathBuf,
    seen: Arc<Seen>,
    _dir: tempfile::TempDir,
}

/// When commits that show something came, in nanoseconds of the monotonic clock.
#[derive(Default)]
struct Seen {
    commits: Mutex<Vec<u64>>,
    more: Condvar,
}

impl Relay {
    /// A socket that leads to the one at `host`.
    pub fn to(host: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("selkie-relay-").tempdir_in("/tmp").unwrap();
        let socket = dir.path().join("host");
        let listener = UnixListener::bind(&socket).unwrap();
        // Who comes may have become nobody.
        for (path, mode) in [(dir.path(), 0o711), (&*socket, 0o666)] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
        let (host, seen) = (host.to_owned(), Arc::new(Seen::default()));
        let notes = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (client, seen) = (stream.unwrap(), notes.clone());
                let server = UnixStream::connect(&host).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass_on(&client, &server, Some(&seen)));
                std::thread::spawn(move || pass_on(&back.0, &back.1, None));
            }
        });
        Self { socket, seen, _dir: dir }
    }

    /// When the first commit came that was no earlier than that; waits for it.
    pub fn first_since(&self, ns: u64) -> u64 {
        let mut commits = self.seen.commits.lock().unwrap();
        loop {
            if let Some(at) = commits.iter().find(|at| **at >= ns) {
                return *at;
            }
            commits.clear();
            let waited;
            (commits, waited) = self.seen.more.wait_timeout(commits, patience()).unwrap();
            assert!(!waited.timed_out() || !commits.is_empty(), "nothing was committed");
        }
    }

    /// Waits until nothing has been committed for so long.
    pub fn wait_for_quiet(&self, quiet: Duration) {
        let mut commits = self.seen.commits.lock().unwrap();
        loop {
            commits.clear();
            let waited;
            (commits, waited) = self.seen.more.wait_timeout(commits, quiet).unwrap();
            if waited.timed_out() && commits.is_empty() {
                return;
            }
        }
    }
}

/// The most fds that one message can carry.
const FDS: usize = 253;

/// Passes on what comes from one to the other until either is gone.
fn pass_on(from: &UnixStream, to: &UnixStream, seen: Option<&Seen>) {
    let mut requests = Requests::default();
    let mut bytes = vec![0; 64 << 10];
    let mut space = vec![MaybeUninit::uninit(); cmsg_space!(ScmRights(FDS))];
    let mut end = || -> rustix::io::Result<()> {
        loop {
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let got = recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?.bytes;
            let at = now_ns();
            if got == 0 {
                return Ok(());
            }
            let mut fds: Vec<OwnedFd> = Vec::new();
            for part in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = part {
                    fds.extend(rights);
                }
            }
            drop(control);
            let mut sent = 0;
            while sent < got {
                let these: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                let mut control = SendAncillaryBuffer::new(&mut space);
                assert!(these.is_empty() || control.push(SendAncillaryMessage::ScmRights(&these)));
                sent += sendmsg(to, &[IoSlice::new(&bytes[sent..got])], &mut control, SendFlags::NOSIGNAL)?;
                drop(these);
                // They went with the first byte.
                fds.clear();
            }
            if let Some(seen) = seen
                && requests.read(&bytes[..got])
            {
                seen.commits.lock().unwrap().push(at);
                seen.more.notify_all();
            }
        }
    };
    // Whichever way it ended.
    let _ = end();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// What a client says, as far as it takes to recognise its surfaces.
#[derive(Default)]
struct Requests {
    /// What is known of its objects.
    kinds: HashMap<u32, Kind>,
    /// A message of which the rest is still to come.
    rest: Vec<u8>,
    /// Whether a buffer was attached that no commit has shown yet.
    attached: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Registry,
    Compositor,
    Surface,
}

impl Requests {
    /// Takes in more of it; returns whether a commit was among it that shows another buffer.
    ///
    /// The wire format: wayland.freedesktop.org/docs/html/ch04.html#sect-Protocol-Wire-Format
    fn read(&mut self, bytes: &[u8]) -> bool {
        let mut committed = false;
        let mut data = std::mem::take(&mut self.rest);
        data.extend_from_slice(bytes);
        let mut left = &data[..];
        let word = |data: &[u8], i: usize| u32::from_ne_bytes(data[4 * i..4 * i + 4].try_into().unwrap());
        while left.len() >= 8 {
            let size = word(left, 1) as usize >> 16;
            let Some((message, later)) = left.split_at_checked(size.max(8)) else { break };
            left = later;
            let (object, opcode) = (word(message, 0), word(message, 1) as u16);
            match (object, self.kinds.get(&object), opcode) {
                // wl_display.get_registry
                (1, _, 1) => drop(self.kinds.insert(word(message, 2), Kind::Registry)),
                // wl_registry.bind: name, interface, version, the new object
                (_, Some(Kind::Registry), 0) if message[16..].starts_with(b"wl_compositor\0") => {
                    self.kinds.insert(word(message, message.len() / 4 - 1), Kind::Compositor);
                }
                // wl_compositor.create_surface
                (_, Some(Kind::Compositor), 0) => drop(self.kinds.insert(word(message, 2), Kind::Surface)),
                // wl_surface: destroy, attach (a buffer or none), commit
                (_, Some(Kind::Surface), 0) => drop(self.kinds.remove(&object)),
                (_, Some(Kind::Surface), 1) => self.attached |= word(message, 2) != 0,
                (_, Some(Kind::Surface), 6) => committed |= std::mem::take(&mut self.attached),
                _ => {}
            }
        }
        self.rest = left.to_vec();
        committed
    }
}
