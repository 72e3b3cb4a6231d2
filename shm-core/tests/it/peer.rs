//! A second process, which does with memory what a hostile client does: this test binary again, in a role.
//!
//! It gets one request at a time over its standard input, each with an fd, and answers each; so nobody ever sleeps to
//! wait for the other. It dies with its parent.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::fs::{FallocateFlags, fallocate, ftruncate};
use rustix::io::Errno;
use shm_core::fdpass;
use shm_core::own::OwnMemory;
use shm_core::seals::{SealError, Seals};

use crate::fuse::Fuse;
use crate::{conformance, passing, ring, signals, stalls};

const ROLE: &str = "SELKIE_TEST_ROLE";

/// A process that does what it is told.
pub struct Peer {
    process: Option<Child>,
    stream: UnixStream,
}

/// A command that runs this binary in a role, under `wrapper` if that is not empty.
pub fn command(role: &str, wrapper: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(program),
        [name, arguments @ ..] => {
            let mut command = Command::new(name);
            command.args(arguments).arg(program);
            command
        }
    };
    command.args(["--exact", "peer::child", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.stdout(Stdio::null());
    command
}

/// Runs this binary in a role that ends by itself.
pub fn run(role: &str) -> ExitStatus {
    command(role, &[]).stderr(Stdio::null()).status().unwrap()
}

impl Peer {
    /// Starts one.
    pub fn start() -> Peer {
        Peer::start_under(&[])
    }

    /// Starts one under another program.
    pub fn start_under(wrapper: &[&str]) -> Peer {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let process = command("peer", wrapper).stdin(OwnedFd::from(theirs)).spawn().unwrap();
        Peer { process: Some(process), stream }
    }

    /// Has it do something with the file behind `fd`; gives its answer.
    pub fn ask(&self, fd: impl AsFd, request: &str) -> Result<u64, Errno> {
        fdpass::send(&self.stream, request.as_bytes(), &[fd.as_fd()]).unwrap();
        let mut answer = [0; 8];
        (&self.stream).read_exact(&mut answer).unwrap_or_else(|error| panic!("{request}: {error}"));
        let number = i64::from_ne_bytes(answer);
        u64::try_from(number).map_err(|_| Errno::from_raw_os_error(i32::try_from(-number).unwrap()))
    }

    /// Has it do something that needs no file.
    pub fn tell(&self, request: &str) -> Result<u64, Errno> {
        self.ask(self.stream.as_fd(), request)
    }

    /// Has it send the file that an earlier request has opened.
    pub fn fetch(&self) -> OwnedFd {
        fdpass::send(&self.stream, b"fetch", &[self.stream.as_fd()]).unwrap();
        fdpass::recv(&self.stream, &mut [0; 8], 1).unwrap().fds.pop().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let process = self.process.take();
        // A thread of it may be stuck until another peer dies, so nobody here waits for its end.
        let reap = |mut process: Child| process.kill().and_then(|()| process.wait());
        std::thread::spawn(move || process.map(reap));
    }
}

/// Not a test: what this binary does as a second process.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let no_core = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, no_core).unwrap();
    match role.as_str() {
        "peer" => serve(),
        "few-fds" => passing::few_fds(),
        conformance::ROLE => conformance::serve(),
        role if role.starts_with("ring ") => ring::role(role),
        role => signals::role(role),
    }
    std::process::exit(0);
}

/// What a peer keeps between requests.
#[derive(Default)]
struct Kept {
    race: Option<(Arc<AtomicBool>, JoinHandle<u64>)>,
    fuse: Option<Fuse>,
    opened: Option<OwnedFd>,
    view: Option<stalls::View>,
}

fn serve() {
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut kept = Kept::default();
    let mut text = [0; 200];
    while let Ok(received) = fdpass::recv(&stream, &mut text, 1) {
        let request = std::str::from_utf8(&text[..received.bytes]).unwrap();
        let fd = received.fds[0].as_fd();
        let words: Vec<&str> = request.split(' ').collect();
        if words == ["fetch"] {
            fdpass::send(&stream, b"file", &[kept.opened.take().unwrap().as_fd()]).unwrap();
            continue;
        }
        let number = match act(&mut kept, &words, fd) {
            Ok(number) => i64::try_from(number).unwrap(),
            Err(errno) => -i64::from(errno.raw_os_error()),
        };
        // Closed while everybody still waits for the answer.
        drop(received);
        (&stream).write_all(&number.to_ne_bytes()).unwrap();
    }
}

fn act(kept: &mut Kept, words: &[&str], fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[0] {
        "truncate" => ftruncate(fd, number(1))?,
        "map" => std::mem::forget(OwnMemory::map_shared(fd.try_clone_to_owned().unwrap(), 1).unwrap()),
        "punch" => {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(fd, flags, number(1), number(2))?;
        }
        "write" => return Ok(rustix::io::pwrite(fd, words[2].as_bytes(), number(1))? as u64),
        "seal" => match Seals::add(fd, words[1].parse().unwrap()) {
            Err(SealError::Add { source, .. }) => return Err(Errno::from_io_error(&source).unwrap()),
            result => result.unwrap(),
        },
        // Truncates to one size and the other, for ever; the answer comes once it has begun.
        "race" => {
            let (stop, laps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
            let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&laps));
            let (fd, small, large) = (fd.try_clone_to_owned().unwrap(), number(1), number(2));
            let thread = std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    ftruncate(&fd, small).unwrap();
                    ftruncate(&fd, large).unwrap();
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                counted.load(Ordering::Relaxed)
            });
            while laps.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            kept.race = Some((stop, thread));
        }
        "stop" => {
            let (stop, thread) = kept.race.take().unwrap();
            stop.store(true, Ordering::Relaxed);
            return Ok(thread.join().unwrap());
        }
        "fuse" => return fuse(kept, &words[1..]),
        "view" => kept.view = Some(stalls::View::of(fd)),
        "hold" => kept.view.take().unwrap().write_to(fd.try_clone_to_owned().unwrap()),
        "epoll" => kept.opened = Some(kept.view.take().unwrap().hold_epoll()),
        other => panic!("what is {other}?"),
    }
    Ok(0)
}

fn fuse(kept: &mut Kept, words: &[&str]) -> Result<u64, Errno> {
    if let ["mount", dir] = words {
        kept.fuse = Some(Fuse::mount(dir.as_ref()).map_err(|error| Errno::from_io_error(&error).unwrap())?);
        return Ok(0);
    }
    let fuse = kept.fuse.as_ref().unwrap();
    match words {
        ["open", name] => kept.opened = Some(fuse.open(name).into()),
        ["silence"] => fuse.fall_silent(),
        ["detach"] => fuse.detach(),
        // The next request since it fell silent.
        ["asked"] => return Ok(fuse.asked.recv().unwrap().into()),
        // How many more there are.
        ["pending"] => return Ok(fuse.asked.try_iter().count() as u64),
        other => panic!("what is fuse {other:?}?"),
    }
    Ok(0)
}
