//! How the two sides find each other by a name, and what the names are worth if one of them is killed.
//!
//! The producer holds a lock (`flock(2)`) on the memory of that name as long as it lives. The kernel gives it back, however
//! the producer ends; so whoever gets the lock may replace what is there, semaphores included, and nobody else may. The
//! consumer holds the other kind of lock (`fcntl(2)`, "Advisory record locking"), of which the first does not know: it is
//! there to be the only one.
//!
//! What the two say to each other stands in the [header](super::header). Every write to it wakes who watches `/dev/shm`.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{FlockOperation, Mode, fcntl_lock, flock, fstat, ftruncate};
use rustix::io::Errno;
use rustix::shm::{self, OFlags};
use shm_core::liveness::{LivenessError, Process};
use shm_core::own::OwnMemory;
use shm_core::semaphore::{self, Link, Semaphore, SemaphoreError};

use super::header::Header;
use super::ring::{self, Ring};
use super::{LinesError, Name, Note, Role, Say};

/// Where shm_open(3) and sem_open(3) put their files on Linux.
const DIRECTORY: &str = "/dev/shm";

/// How often to try to get hold of a name that somebody is just making or removing, and how long to wait in between.
const TURNS: u32 = 100;
const TURN: Duration = Duration::from_millis(10);

/// Everything that both sides have open.
#[derive(Debug)]
pub(super) struct Shared {
    pub ring: Ring,
    pub free: Arc<Semaphore>,
    pub filled: Arc<Semaphore>,
}

/// The names that a producer has made. They are removed when this is dropped; who is killed drops nothing.
#[derive(Debug)]
pub(super) struct Names {
    // The fields are dropped in this order: the memory, whose lock is what protects the others, comes last.
    _semaphores: [Link; 2],
    _memory: MemoryName,
}

#[derive(Debug)]
struct MemoryName(Name);

impl Drop for MemoryName {
    fn drop(&mut self) {
        if let Err(error) = shm::unlink(self.0.as_str()) {
            tracing::warn!(%error, name = %self.0, "the name of shared memory is left");
        }
    }
}

/// Makes memory and semaphores of that name, and removes what a producer that is no more has left there.
pub(super) fn publish(name: &Name, slots: u32, say: Say<'_>) -> Result<(Shared, Names), LinesError> {
    let own = Process::current()?;
    let failed = |what| move |errno: Errno| memory_error(what, name, errno);
    let memory = claim(name, say)?;
    let memory_name = MemoryName(name.clone());
    // The size comes last: memory of the right size has a header.
    Header::write(&memory, slots, own).map_err(failed("write to"))?;
    ftruncate(&memory, ring::size(slots)).map_err(failed("size"))?;
    // Left by somebody whose memory has been removed without them.
    remove_semaphores(name)?;
    let (free, free_link) = Semaphore::create(&name.free(), 0o600, slots)?;
    let (filled, filled_link) = Semaphore::create(&name.filled(), 0o600, 0)?;
    Header::set_ready(&memory).map_err(failed("write to"))?;
    let names = Names { _semaphores: [free_link, filled_link], _memory: memory_name };
    Ok((shared(name, memory, slots, free, filled)?, names))
}

/// Gets the lock on empty memory of that name.
fn claim(name: &Name, say: Say<'_>) -> Result<OwnedFd, LinesError> {
    let failed = |what| move |errno: Errno| memory_error(what, name, errno);
    // Each further turn means that somebody else was at it at that very moment.
    for _ in 0..TURNS {
        let memory = shm::open(name.as_str(), OFlags::CREATE | OFlags::RDWR, Mode::RUSR | Mode::WUSR)
            .map_err(failed("create"))?;
        match flock(&memory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let owner = Header::read(&memory).ok().flatten().map(|header| header.producer);
                if let Some(owner) = owner.filter(|owner| owner.is_alive().unwrap_or(true)) {
                    return Err(in_use(name, Role::Producer, owner.pid));
                }
                // Somebody begins, or removes what a dead one has left, and will be done in a moment.
                thread::sleep(TURN);
                continue;
            }
            Err(errno) => return Err(memory_error("lock", name, errno)),
        }
        let stat = fstat(&memory).map_err(failed("look at"))?;
        if stat.st_nlink == 0 {
            continue;
        }
        match Header::read(&memory) {
            // New, or left by somebody who came no further.
            Ok(None) => return Ok(memory),
            Ok(Some(left)) => {
                // Not used again, but removed: a consumer may still have it open.
                remove(name)?;
                say(Note::Replaced { name, owner: left.producer });
            }
            Err(why) => return Err(foreign(name, why)),
        }
    }
    Err(in_use(name, Role::Producer, 0))
}

/// Opens what a living producer has made under that name, sleeping until there is one, and says to it who has come.
pub(super) fn attach(name: &Name, say: Say<'_>) -> Result<(Shared, Process), LinesError> {
    let own = Process::current()?;
    let bell = Bell::new(name)?;
    let mut said = None;
    loop {
        match try_attach(name, own)? {
            Found::Everything(shared, producer) => return Ok((*shared, producer)),
            Found::Stale(owner) if said != Some(Some(owner)) => {
                say(Note::Stale { name, owner });
                said = Some(Some(owner));
            }
            Found::Nothing if said.is_none() => {
                say(Note::Waiting { name, role: Role::Producer });
                said = Some(None);
            }
            Found::Stale(_) | Found::Nothing => {}
        }
        bell.wait()?;
    }
}

/// What is there under a name.
enum Found {
    /// All that there should be, and it is ours.
    Everything(Box<Shared>, Process),
    /// What this one has left that is no more.
    Stale(Process),
    /// Nothing, or not everything yet. Whatever comes rings the bell.
    Nothing,
}

fn try_attach(name: &Name, own: Process) -> Result<Found, LinesError> {
    let memory = match shm::open(name.as_str(), OFlags::RDWR, Mode::empty()) {
        Ok(memory) => memory,
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        Err(errno) => return Err(memory_error("open", name, errno)),
    };
    let Some(header) = Header::read(&memory).map_err(|why| foreign(name, why))? else {
        return Ok(Found::Nothing);
    };
    let is_alive = match header.producer.is_alive() {
        Err(error @ LivenessError::NotAPid { .. }) => return Err(foreign(name, error.to_string())),
        answer => answer?,
    };
    if !is_alive {
        return Ok(Found::Stale(header.producer));
    }
    if !header.ready {
        return Ok(Found::Nothing);
    }
    let size = fstat(&memory).map_err(|errno| memory_error("look at", name, errno))?.st_size;
    if size.cast_unsigned() != ring::size(header.slots) {
        let due = ring::size(header.slots);
        return Err(foreign(
            name,
            format!("it has {size} bytes, and for {} slots needs {due}", header.slots),
        ));
    }
    match fcntl_lock(&memory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::ACCESS) => {
            return Err(in_use(name, Role::Consumer, header.consumer.map_or(0, |consumer| consumer.pid)));
        }
        Err(errno) => return Err(memory_error("lock", name, errno)),
    }
    // Its consumer is no more. The producer is about to learn of that, and to end.
    if Header::read(&memory)
        .map_err(|why| foreign(name, why))?
        .is_some_and(|header| header.consumer.is_some())
    {
        return Ok(Found::Nothing);
    }
    let (free, filled) = match (Semaphore::open(&name.free()), Semaphore::open(&name.filled())) {
        (Ok(free), Ok(filled)) => (free, filled),
        // The producer is removing its names, this one among them.
        (Err(error), _) | (_, Err(error)) if is_missing(&error) => return Ok(Found::Nothing),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    let shared = shared(name, memory, header.slots, free, filled)?;
    // The last: by this the producer learns that everything is open here.
    Header::set_consumer(shared.ring.memory(), own).map_err(|errno| memory_error("write to", name, errno))?;
    Ok(Found::Everything(Box::new(shared), header.producer))
}

/// Sleeps until a consumer has come.
pub(super) fn wait_for_consumer(
    shared: &Shared,
    name: &Name,
    bell: &Bell,
    say: Say<'_>,
) -> Result<Process, LinesError> {
    let mut said = false;
    loop {
        let header = Header::read(shared.ring.memory()).map_err(|why| foreign(name, why))?;
        if let Some(consumer) = header.and_then(|header| header.consumer) {
            return Ok(consumer);
        }
        if !said {
            say(Note::Waiting { name, role: Role::Consumer });
            said = true;
        }
        bell.wait()?;
    }
}

/// Removes the names of a producer that ended between the consumer's coming and their removal.
///
/// Only if they are still that producer's: another that has come meanwhile holds the lock, or has replaced the memory.
pub(super) fn clean_up_after_producer(shared: &Shared, name: &Name) {
    let memory = shared.ring.memory();
    let ours = flock(memory, FlockOperation::NonBlockingLockExclusive).is_ok()
        && fstat(memory).is_ok_and(|stat| stat.st_nlink > 0);
    if ours && let Err(error) = remove(name) {
        tracing::warn!(%error, "names are left");
    }
}

/// Removes all three names, the one last whose lock protects the others.
fn remove(name: &Name) -> Result<(), LinesError> {
    remove_semaphores(name)?;
    match shm::unlink(name.as_str()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(memory_error("remove", name, errno)),
    }
}

fn remove_semaphores(name: &Name) -> Result<(), LinesError> {
    for semaphore in [name.free(), name.filled()] {
        match semaphore::unlink(&semaphore) {
            Err(error) if !is_missing(&error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn is_missing(error: &SemaphoreError) -> bool {
    match error {
        SemaphoreError::Open { source, .. } | SemaphoreError::Unlink { source, .. } => {
            source.kind() == std::io::ErrorKind::NotFound
        }
        _ => false,
    }
}

fn shared(
    name: &Name,
    memory: OwnedFd,
    slots: u32,
    free: Semaphore,
    filled: Semaphore,
) -> Result<Shared, LinesError> {
    let memory = OwnMemory::map_shared(memory, ring::size(slots))
        .map_err(|source| LinesError::Map { name: name.to_string(), source })?;
    Ok(Shared { ring: Ring::new(memory, slots), free: Arc::new(free), filled: Arc::new(filled) })
}

/// Rings when something happens to the memory of a name: it is made, written with `write(2)`, or removed.
#[derive(Debug)]
pub(super) struct Bell {
    inotify: OwnedFd,
    file: String,
}

impl Bell {
    /// From now on.
    pub(super) fn new(name: &Name) -> Result<Bell, LinesError> {
        let failed = |errno: Errno| LinesError::Inotify { source: errno.into() };
        let inotify = inotify::init(CreateFlags::CLOEXEC).map_err(failed)?;
        let what = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::DELETE | WatchFlags::MOVED_TO;
        inotify::add_watch(&inotify, DIRECTORY, what).map_err(failed)?;
        Ok(Bell { inotify, file: name.file().to_owned() })
    }

    /// Sleeps until it has rung since it was made, or waited for the last time. It may ring for nothing.
    fn wait(&self) -> Result<(), LinesError> {
        // Room for at least one event, which names a file.
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => return Ok(()),
                Ok(event)
                    if event.file_name().is_some_and(|file| file.to_bytes() == self.file.as_bytes()) =>
                {
                    return Ok(());
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(LinesError::Inotify { source: errno.into() }),
            }
        }
    }
}

fn memory_error(what: &'static str, name: &Name, errno: Errno) -> LinesError {
    LinesError::Memory { what, name: name.to_string(), source: errno.into() }
}

fn in_use(name: &Name, role: Role, pid: u32) -> LinesError {
    LinesError::InUse { name: name.to_string(), role, pid }
}

fn foreign(name: &Name, why: String) -> LinesError {
    LinesError::Foreign { name: name.to_string(), why }
}
