//! memfds, passed on in two ways: as fds over a Unix socket (`SCM_RIGHTS`), and by being looked up in the process that has them
//! (`/proc/PID/fd/N`, or pidfd_getfd(2)).
//!
//! A memfd has no name that another process could open, and nothing of it is left when the last fd and the last mapping are
//! gone, however the processes ended. Those here are sealed, so the one who gets them need not trust the one who made them.
//!
//! See `memfd_create(2)`, `fcntl(2)`, `unix(7)`, `pidfd_getfd(2)`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::MemfdFlags;
use shm_core::mapping::{Guarded, MapError, Mapping, ReadError, Sealed};
use shm_core::own::{OwnError, OwnMemory};
use shm_core::peer::{PeerError, PeerFd};
use shm_core::seals::{SealError, Seals};
use shm_core::shared::AccessError;

use super::socket::{Connection, Listener, SocketError, amount};
use super::wait::{WaitError, Waiter, Woken};
use super::watch::{self, Watch, WatchError};
use super::{Checked, Content, Patience, SizeError, Table, TableError, fill, pages};
use crate::trace::{SayError, Trace, failure, fd, flags, zero};

/// What the memory here is sealed with: nobody can change it any more in any way.
const SEALS: Seals = Seals::SEAL.union(Seals::SHRINK).union(Seals::GROW).union(Seals::WRITE);

/// `selkie shm memfd send`.
#[derive(Debug)]
pub struct Send {
    /// What each of them is filled with; the second gets the next byte, and so on.
    pub content: Content,
    /// How many, at most 253 (`SCM_MAX_FD`).
    pub count: u8,
    /// Where to listen.
    pub socket: PathBuf,
    /// How long to wait.
    pub patience: Patience,
}

/// `selkie shm memfd recv`.
#[derive(Debug)]
pub struct Receive {
    /// What the first should be filled with.
    pub byte: u8,
    /// Where the sender listens.
    pub socket: PathBuf,
}

/// Makes memfds, waits for somebody who takes them, and tells what became of that; `false` if it is not what it should be.
///
/// # Errors
///
/// [`MemfdError`].
pub fn send(send: &Send, trace: &mut Trace) -> Result<bool, MemfdError> {
    send.content.check()?;
    let mut waiter = Waiter::new(send.patience)?;
    let table = Table::begin()?;
    let memfds: Vec<OwnedFd> = (0..send.count)
        .map(|number| {
            let byte = send.content.byte.wrapping_add(number);
            make(&format!("selkie-{number}"), Content { byte, ..send.content }, send.count - number, trace)
        })
        .collect::<Result<_, _>>()?;
    let listener = Listener::bind(&send.socket, trace)?;
    let last = send.content.byte.wrapping_add(send.count.saturating_sub(1));
    trace.say(format_args!(
        "{} of {} bytes, sealed {SEALS}: full of {:#04x}{}",
        amount(memfds.len(), "memfd"),
        send.content.size,
        send.content.byte,
        if send.count > 1 { format!(" to {last:#04x}") } else { String::new() }
    ))?;
    trace.say(format_args!(
        "in another terminal: selkie shm memfd recv --socket {}{}",
        send.socket.display(),
        with_byte(send.content.byte)
    ))?;
    table.lives(trace)?;
    let fds: Vec<BorrowedFd<'_>> = memfds.iter().map(OwnedFd::as_fd).collect();
    let served = listener.serve(&fds, &mut waiter, trace)?;
    listener.close(trace);
    for memfd in memfds {
        close(memfd, trace);
    }
    let good = served.tell(trace)?;
    table.after(trace)?;
    Ok(good)
}

/// Takes what the sender has, and looks at every byte; `false` if one is not as it should be.
///
/// # Errors
///
/// [`MemfdError`].
pub fn receive(receive: &Receive, trace: &mut Trace) -> Result<bool, MemfdError> {
    let connection = Connection::connect(&receive.socket, trace)?;
    let memfds = connection.receive(trace)?;
    trace.say(format_args!("{} from {}", amount(memfds.len(), "memfd"), connection.peer))?;
    let mut good = true;
    for (number, memfd) in memfds.into_iter().enumerate() {
        // Truncated on purpose: after 0xff comes 0x00.
        let byte = receive.byte.wrapping_add(number as u8);
        let (seals, size) = look(&memfd, trace)?;
        let mapping = map(memfd.as_fd(), size, trace, Mapping::<Sealed>::new)?;
        let checked = check(&mapping, byte)?;
        unmap(mapping, trace);
        close(memfd, trace);
        trace.say(format_args!("memfd {number}, sealed {seals}: {checked}"))?;
        good &= checked.all();
    }
    connection.answer(good, trace)?;
    Ok(good)
}

/// `selkie shm memfd export`.
#[derive(Debug)]
pub struct Export {
    /// What it is filled with.
    pub content: Content,
    /// How long to wait.
    pub patience: Patience,
}

/// `selkie shm memfd open`.
#[derive(Debug)]
pub struct Open {
    /// What it should be filled with.
    pub byte: u8,
    /// Which fd of which process.
    pub peer: PeerFd,
    /// Whether to take the very fd (pidfd_getfd(2)), rather than to open the file anew.
    pub take: bool,
}

/// Makes a memfd that another process can look up in this one, and waits until one has; `false` if none came.
///
/// # Errors
///
/// [`MemfdError`].
pub fn export(export: &Export, trace: &mut Trace) -> Result<bool, MemfdError> {
    export.content.check()?;
    let mut waiter = Waiter::new(export.patience)?;
    let table = Table::begin()?;
    let memfd = make("selkie", export.content, 1, trace)?;
    let watch = Watch::new(memfd.as_fd(), trace)?;
    let peer = PeerFd::ours(&memfd);
    let Content { size, byte } = export.content;
    trace.say(format_args!("{peer}: a memfd of {size} bytes, sealed {SEALS}: full of {byte:#04x}"))?;
    let other = format!("selkie shm memfd open --pid {} --fd {}{}", peer.pid, peer.fd, with_byte(byte));
    trace.say(format_args!("in another terminal: {other}"))?;
    trace.say(format_args!(
        "or, of which nothing is to be noticed here, so that Enter or Ctrl-C end this: {other} --pidfd"
    ))?;
    table.lives(trace)?;
    let woken = watch.wait(&mut waiter, trace)?;
    close(memfd, trace);
    table.after(trace)?;
    Ok(woken != Woken::Time)
}

/// Looks up a memfd in another process and looks at every byte; `false` if one is not as it should be.
///
/// # Errors
///
/// [`MemfdError`].
pub fn open(open: &Open, trace: &mut Trace) -> Result<bool, MemfdError> {
    let PeerFd { pid, fd: number } = open.peer;
    // Not all of the fds in between are known here.
    let last = |call: &str, opened: &Result<OwnedFd, PeerError>| match opened {
        Ok(opened) => vec!["?".to_owned(), format!("{call} = {}", fd(opened))],
        Err(error @ PeerError::Mode { .. }) => vec!["?".to_owned(), format!("{call} = {}", failure(error))],
        Err(PeerError::NotFile { .. }) => vec!["?".to_owned()],
        Err(error) => vec![failure(error)],
    };
    let memfd = if open.take {
        trace.several(
            format_args!("pidfd_open({pid}, 0)"),
            |opened| last(&format!("pidfd_getfd(?, {number}, 0)"), opened),
            || open.peer.take(),
        )
    } else {
        trace.several(
            format_args!("openat(AT_FDCWD, \"{}\", O_PATH|O_CLOEXEC)", open.peer),
            |opened| {
                last("openat(AT_FDCWD, \"/proc/thread-self/fd/?\", O_RDONLY|O_NOCTTY|O_CLOEXEC)", opened)
            },
            || open.peer.open_read_only(),
        )
    }?;
    let (seals, size) = look(&memfd, trace)?;
    if !open.take {
        watch::notice(memfd.as_fd(), trace)?;
    }
    let mapping = map(memfd.as_fd(), size, trace, Mapping::<Guarded>::new)?;
    let checked = check(&mapping, open.byte)?;
    unmap(mapping, trace);
    close(memfd, trace);
    trace.say(format_args!("{}, sealed {seals}: {checked}", open.peer))?;
    Ok(checked.all())
}

/// The option that tells the other side what to expect, if that is not what it expects anyway.
pub(crate) fn with_byte(byte: u8) -> String {
    if byte == super::BYTE { String::new() } else { format!(" --byte {byte:#04x}") }
}

/// A memfd, filled and sealed; the first of so `many` that are to come.
fn make(name: &str, content: Content, many: u8, trace: &mut Trace) -> Result<OwnedFd, MemfdError> {
    let kind = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = trace
        .call(format_args!("memfd_create({name:?}, {})", flags("MFD_", kind)), fd, || {
            rustix::fs::memfd_create(name, kind)
        })
        .map_err(|source| MemfdError::Create { source: source.into() })?;
    let number = memfd.as_raw_fd();
    trace
        .call(format_args!("ftruncate({number}, {})", content.size), zero, || {
            rustix::fs::ftruncate(&memfd, content.size)
        })
        .map_err(|source| MemfdError::size(content.size, source.into()))?;
    content.fits(many.into())?;
    let memory = map_own(number, content.size, trace, || OwnMemory::map_shared(memfd, content.size))?;
    fill(&memory, content.byte)?;
    // F_SEAL_WRITE is refused as long as somebody could write.
    let memfd = unmap_own(memory, trace);
    trace.call(format_args!("fcntl({number}, F_ADD_SEALS, {})", seal_flags(SEALS)), zero, || {
        Seals::add(&memfd, SEALS)
    })?;
    Ok(memfd)
}

/// The seals and the size of memory that somebody else has made.
fn look(memfd: &OwnedFd, trace: &mut Trace) -> Result<(Seals, u64), MemfdError> {
    let number = memfd.as_raw_fd();
    let seals = trace
        .call(
            format_args!("fcntl({number}, F_GET_SEALS)"),
            |seals: &Seals| format!("{:#x} ({})", seals.bits(), seal_flags(*seals)),
            || Seals::of(memfd),
        )
        .map_err(|source| MemfdError::NoMemory { source })?;
    // It has seals, so it is memory of the kernel's own, and asking for its size asks nobody else.
    let stat = trace.call(
        format_args!("fstat({number}, buf)"),
        |stat: &rustix::fs::Stat| format!("0, st_size={}", stat.st_size),
        || rustix::fs::fstat(memfd),
    );
    let stat = stat.map_err(|source| MemfdError::Stat { source: source.into() })?;
    Ok((seals, stat.st_size.cast_unsigned()))
}

pub(crate) fn map<S>(
    memfd: BorrowedFd<'_>,
    size: u64,
    trace: &mut Trace,
    map: impl FnOnce(BorrowedFd<'_>, u64) -> Result<Mapping<S>, MapError>,
) -> Result<Mapping<S>, MemfdError> {
    Ok(trace.call(
        format_args!("mmap(NULL, {}, PROT_READ, MAP_SHARED, {}, 0)", pages(size), memfd.as_raw_fd()),
        address,
        || map(memfd, size),
    )?)
}

/// Maps memory that is to be filled, of `size` bytes, behind the fd `number`.
pub(crate) fn map_own<E: std::error::Error + 'static>(
    number: i32,
    size: u64,
    trace: &mut Trace,
    map: impl FnOnce() -> Result<OwnMemory, E>,
) -> Result<OwnMemory, E> {
    trace.call(
        format_args!("mmap(NULL, {}, PROT_READ|PROT_WRITE, MAP_SHARED, {number}, 0)", pages(size)),
        |memory: &OwnMemory| format!("{:p}", memory.as_ptr()),
        map,
    )
}

/// Unmaps it, and keeps its file.
pub(crate) fn unmap_own(memory: OwnMemory, trace: &mut Trace) -> OwnedFd {
    let (start, len) = (memory.as_ptr(), pages(memory.len() as u64));
    trace.quiet(format_args!("munmap({start:p}, {len})"), || memory.into_fd())
}

/// Where it is mapped.
fn address<S>(mapping: &Mapping<S>) -> String {
    mapping.read(0..0, |start, _| format!("{start:p}")).unwrap_or_default()
}

pub(crate) fn check<S>(mapping: &Mapping<S>, byte: u8) -> Result<Checked, ReadError> {
    Checked::check(byte, mapping.len(), |offset, to| mapping.copy_to(offset, to))
}

pub(crate) fn unmap<S>(mapping: Mapping<S>, trace: &mut Trace) {
    let (start, len) = (address(&mapping), pages(mapping.len() as u64));
    trace.quiet(format_args!("munmap({start}, {len})"), || drop(mapping));
}

pub(crate) fn close(owned: OwnedFd, trace: &mut Trace) {
    let number = owned.as_raw_fd();
    trace.quiet(format_args!("close({number})"), || drop(owned));
}

/// The names that fcntl(2) has for them.
fn seal_flags(seals: Seals) -> String {
    const NAMES: [(Seals, &str); 6] = [
        (Seals::SEAL, "F_SEAL_SEAL"),
        (Seals::SHRINK, "F_SEAL_SHRINK"),
        (Seals::GROW, "F_SEAL_GROW"),
        (Seals::WRITE, "F_SEAL_WRITE"),
        (Seals::FUTURE_WRITE, "F_SEAL_FUTURE_WRITE"),
        (Seals::EXEC, "F_SEAL_EXEC"),
    ];
    let names: Vec<&str> =
        NAMES.iter().filter(|(seal, _)| seals.contains(*seal)).map(|(_, name)| *name).collect();
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

/// Why memfds could not be shared.
#[derive(Debug, thiserror::Error)]
pub enum MemfdError {
    /// There can be no memory of that size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// There is none.
    #[error("cannot create a memfd")]
    Create {
        /// What the kernel said.
        source: io::Error,
    },
    /// It cannot have its size.
    #[error("cannot make a memfd {size} bytes long")]
    Resize {
        /// The size in bytes.
        size: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// It cannot be mapped to be filled.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// It cannot be filled.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is something else.
    #[error("the file is no memory: memfds, and files in /dev/shm, can be asked for their seals")]
    NoMemory {
        /// What the kernel said.
        source: SealError,
    },
    /// Its size cannot be had.
    #[error("cannot find the size of the memory")]
    Stat {
        /// What the kernel said.
        source: io::Error,
    },
    /// It cannot be mapped to be read.
    #[error(transparent)]
    Map(#[from] MapError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not to be had from the other process.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// It cannot be learned who opens it.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// It could not be passed on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// It cannot be waited.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The numbers of the machine cannot be had.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Nothing can be said.
    #[error(transparent)]
    Say(#[from] SayError),
}

impl MemfdError {
    fn size(size: u64, source: io::Error) -> MemfdError {
        match super::file_limit(size, &source) {
            Some(limit) => SizeError::FileLimit { limit, size }.into(),
            None => MemfdError::Resize { size, source },
        }
    }
}
