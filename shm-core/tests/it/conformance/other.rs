//! The other process: this test binary again, which does with shared memory what it is told, line by line.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};

use shm_core::dma_heap::DmaHeap;
use shm_core::mechanism::{DmaBufs, Leftover, Mechanism, MechanismError, Memfd, Posix, Sysv, Ticket};
use shm_core::posix::Object;
use shm_core::ring::Producer;
use shm_core::shared::Shared;
use shm_core::sysv::{Place, Segment};
use shm_core::udmabuf::Udmabuf;

use crate::peer;

pub const ROLE: &str = "sharer";

/// Another process.
pub struct Other {
    process: Child,
    lines: BufReader<UnixStream>,
}

impl Other {
    pub fn start() -> Other {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let process = peer::command(ROLE, &[]).stdin(OwnedFd::from(theirs)).spawn().unwrap();
        Other { process, lines: BufReader::new(stream) }
    }

    /// Has it do something. What it says, or the kind of its error and the sentence.
    pub fn ask(&mut self, request: &str) -> Result<String, (String, String)> {
        self.begin(request);
        self.answer(request)
    }

    /// Has it begin to do something.
    pub fn begin(&mut self, request: &str) {
        writeln!(self.lines.get_mut(), "{request}").unwrap();
    }

    /// What it says to that in the end.
    pub fn answer(&mut self, request: &str) -> Result<String, (String, String)> {
        let mut answer = String::new();
        self.lines.read_line(&mut answer).unwrap();
        let answer = answer.strip_suffix('\n').unwrap_or_else(|| panic!("{request}: it is gone"));
        match answer.split_once(' ') {
            Some(("ok", said)) => Ok(said.to_owned()),
            Some(("error", rest)) => {
                let (kind, sentence) = rest.split_once(' ').unwrap();
                Err((kind.to_owned(), sentence.to_owned()))
            }
            _ => panic!("{request}: {answer}"),
        }
    }

    /// Has it do something that works.
    pub fn tell(&mut self, request: &str) -> String {
        self.ask(request).unwrap_or_else(|error| panic!("{request}: {error:?}"))
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it end as a program does that has nothing left to do.
    pub fn end(mut self) -> ExitStatus {
        self.lines.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Any memory, so that one function can serve all mechanisms.
trait Memory {
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Failure>;
    fn read(&self, offset: usize, count: usize) -> Result<Vec<u8>, Failure>;
}

impl<S: Shared> Memory for S {
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Failure> {
        Shared::write_at(self, offset, bytes).map_err(other)
    }

    fn read(&self, offset: usize, count: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; count];
        Shared::read_at(self, offset, &mut bytes).map_err(other)?;
        Ok(bytes)
    }
}

/// The kind of an error, and its sentence.
type Failure = (std::io::ErrorKind, String);

fn other(error: impl std::fmt::Display) -> Failure {
    (std::io::ErrorKind::Other, error.to_string())
}

fn failed(error: MechanismError) -> Failure {
    (error.kind(), error.to_string())
}

#[derive(Default)]
struct Kept {
    memory: Option<Box<dyn Memory>>,
    leftovers: Vec<Leftover>,
}

/// What this binary does in this role.
pub fn serve() {
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut kept = Kept::default();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match act(&mut kept, &words) {
            Ok(said) => format!("ok {said}\n"),
            Err((kind, sentence)) => format!("error {kind:?} {sentence}\n"),
        };
        (&stream).write_all(answer.as_bytes()).unwrap();
    }
}

fn act(kept: &mut Kept, words: &[&str]) -> Result<String, Failure> {
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    let memory = || kept.memory.as_deref().unwrap();
    match words[0] {
        "uid" => become_user(u32::try_from(number(1)).unwrap()),
        "umask" => drop(rustix::process::umask(rustix::fs::Mode::from_raw_mode(0))),
        "write" => memory().write(number(1) as usize, words[2].as_bytes())?,
        "read" => {
            let read = memory().read(number(1) as usize, number(2) as usize)?;
            return Ok(String::from_utf8_lossy(&read).into_owned());
        }
        "close" => kept.memory = None,
        "remove" => kept.leftovers.pop().unwrap().remove().map_err(failed)?,
        // For System V alone.
        "limits" => own_limits(&words[1..]),
        "remove-id" => segment(words[1]).remove().map_err(|error| failed(error.into()))?,
        "read-id" => {
            let memory =
                segment(words[1]).attach_read_only(Place::Anywhere).map_err(|error| failed(error.into()))?;
            let mut read = [0; 5];
            memory.read_at(0, &mut read).map_err(other)?;
            return Ok(String::from_utf8_lossy(&read).into_owned());
        }
        "fork" => fork_and_drop(kept),
        "create" | "open" | "send" | "shrink" => {
            return match words[1] {
                "sysv" => with(&Sysv::default(), kept, words),
                "sysv-for-all" => with(&Sysv { mode: 0o666 }, kept, words),
                "posix" => with(&Posix::default(), kept, words),
                "posix-for-all" => with(&Posix { mode: 0o666 }, kept, words),
                "memfd" => with(&Memfd, kept, words),
                "heap" => with(&DmaBufs::of_heap(DmaHeap::open("system").unwrap()), kept, words),
                "udmabuf" => with(&DmaBufs::of_memfds(Udmabuf::open().unwrap()), kept, words),
                // For who only opens: no device is needed for that, nor allowed to every user.
                "dmabuf" => with(&DmaBufs::opener(), kept, words),
                what => panic!("what is {what}?"),
            };
        }
        what => panic!("what is {what}?"),
    }
    Ok(String::new())
}

fn with<M: Mechanism>(mechanism: &M, kept: &mut Kept, words: &[&str]) -> Result<String, Failure> {
    match words[0] {
        "create" => {
            let created = mechanism.create(words[2].parse().unwrap()).map_err(failed)?;
            kept.memory = Some(Box::new(created.memory));
            kept.leftovers.push(created.leftover);
            Ok(created.ticket.to_string())
        }
        "open" => {
            let memory =
                mechanism.open(&words[2].parse().unwrap(), words[3].parse().unwrap()).map_err(failed)?;
            let size = Shared::len(&memory);
            kept.memory = Some(Box::new(memory));
            Ok(size.to_string())
        }
        "send" => {
            let memory = mechanism.open(&words[2].parse().unwrap(), 0).map_err(failed)?;
            let count = words[4].parse().unwrap();
            match words[3] {
                "-" => send(Producer::attach(memory).map_err(other)?, count),
                control => {
                    let control = Memfd.open(&control.parse().unwrap(), 0).map_err(failed)?;
                    send(Producer::attach_split(control, memory).map_err(other)?, count)
                }
            }
        }
        _ => {
            shrink(&words[2].parse().unwrap())?;
            Ok(String::new())
        }
    }
}

/// Sends frames through a ring: the first has 1 byte, the last as many as there are frames, and each is full of its number.
fn send<S: Shared, D: Shared>(mut producer: Producer<S, D>, count: u8) -> Result<String, Failure> {
    for number in 1..=count {
        let bytes = vec![number; number.into()];
        let mut slot = producer.reserve().map_err(other)?;
        slot.write_at(0, &bytes).map_err(other)?;
        slot.commit(bytes.len()).map_err(other)?;
    }
    Ok(String::new())
}

/// Takes all of its memory away, or tries to.
fn shrink(ticket: &Ticket) -> Result<(), Failure> {
    let fd = match ticket {
        Ticket::Posix(name) => Object::open(name).map_err(other)?.fd().try_clone_to_owned().unwrap(),
        Ticket::Memfd(peer) => peer.open().map_err(other)?,
        Ticket::DmaBuf(peer) => peer.take().map_err(other)?,
        Ticket::SysvId(_) | Ticket::SysvKey(_) => return Err(other("there is no such call")),
    };
    rustix::fs::ftruncate(fd, 0).map_err(other)
}

fn segment(id: &str) -> Segment {
    Segment::from_id(id.parse().unwrap())
}

/// Moves to an IPC namespace of its own with these limits: SHMMAX in bytes, SHMMNI, SHMALL in pages.
fn own_limits(values: &[&str]) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWIPC) }, 0, "{}", std::io::Error::last_os_error());
    for (name, value) in ["shmmax", "shmmni", "shmall"].iter().zip(values) {
        std::fs::write(format!("/proc/sys/kernel/{name}"), value).unwrap();
    }
}

/// Gives up being root. Only the system calls: the C library would do it to all threads, and here there are none.
fn become_user(user: u32) {
    let user = libc::c_ulong::from(user);
    // SAFETY: no pointers but an empty list of groups.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()), 0);
        assert_eq!(libc::syscall(libc::SYS_setresgid, user, user, user), 0);
        assert_eq!(libc::syscall(libc::SYS_setresuid, user, user, user), 0);
    }
}

/// Has a forked child drop everything, and waits for its end.
fn fork_and_drop(kept: &mut Kept) {
    // SAFETY: the other thread of this process waits for this one and holds no lock; the child drops what it has and ends.
    match unsafe { libc::fork() } {
        0 => {
            drop(std::mem::take(kept));
            // SAFETY: ends the child without anything that was meant for its parent.
            unsafe { libc::_exit(0) }
        }
        child => {
            let mut status = 0;
            // SAFETY: writes a number.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
}
