//! The four mechanisms as values of [`Mechanism`].

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Created, Leftover, Mechanism, MechanismError, Ticket, at_least};
use crate::dma_heap::{DmaHeap, DmaHeapError};
use crate::dmabuf::{DmaBuf, DmaBufMappingMut};
use crate::memfd;
use crate::own::OwnMemory;
use crate::peer::PeerFd;
use crate::posix::{self, Name, Object, PosixError};
use crate::seals::Seals;
use crate::shared::Shared;
use crate::sysv::{self, Attachment, Key, Segment};
use crate::udmabuf::Udmabuf;

/// System V segments without a key, found by their id.
#[derive(Clone, Copy, Debug)]
pub struct Sysv {
    /// Who may attach one: permission bits.
    pub mode: u32,
}

impl Default for Sysv {
    fn default() -> Sysv {
        Sysv { mode: 0o600 }
    }
}

impl Mechanism for Sysv {
    const NAME: &'static str = "System V";
    const PERSISTS: bool = true;
    type Memory = Attachment;

    fn create(&self, size: u64) -> Result<Created<Attachment>, MechanismError> {
        let create = sysv::Create { mode: self.mode, ..sysv::Create::new(size) };
        let segment = Segment::create(Key::PRIVATE, &create)?.remove_on_drop();
        let (memory, ticket) = (segment.attach()?, Ticket::SysvId(segment.id()));
        Ok(Created { memory, ticket, leftover: Leftover::Segment(segment) })
    }

    fn open(&self, ticket: &Ticket, size: u64) -> Result<Attachment, MechanismError> {
        let segment = match ticket {
            Ticket::SysvId(id) => Segment::from_id(*id),
            Ticket::SysvKey(key) => Segment::open(*key, 0)?,
            other => return Err(MechanismError::wrong::<Sysv>(other)),
        };
        let memory = segment.attach()?;
        at_least(size, memory.len() as u64)?;
        Ok(memory)
    }
}

/// POSIX shared memory, under names of its own choice.
#[derive(Clone, Copy, Debug)]
pub struct Posix {
    /// Who may open it: permission bits, less those of the umask.
    pub mode: u32,
}

impl Default for Posix {
    fn default() -> Posix {
        Posix { mode: 0o600 }
    }
}

impl Mechanism for Posix {
    const NAME: &'static str = "POSIX";
    const PERSISTS: bool = true;
    type Memory = OwnMemory;

    fn create(&self, size: u64) -> Result<Created<OwnMemory>, MechanismError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let create = posix::Create { mode: self.mode, ..posix::Create::new(size) };
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = Name::new(format!("/selkie-{}-{number}", std::process::id()))
                .map_err(|source| MechanismError::Ticket(source.into()))?;
            let object = match Object::create(&name, &create) {
                // Left behind by a process that had the same id, or of another pid namespace.
                Err(PosixError::Exists { .. }) if number < u32::MAX => continue,
                object => object?,
            };
            let leftover = Leftover::Name(object.unlink_on_drop());
            return Ok(Created { memory: object.map()?, ticket: Ticket::Posix(name), leftover });
        }
    }

    fn open(&self, ticket: &Ticket, size: u64) -> Result<OwnMemory, MechanismError> {
        let Ticket::Posix(name) = ticket else { return Err(MechanismError::wrong::<Posix>(ticket)) };
        let object = Object::open(name)?;
        at_least(size, object.size()?)?;
        Ok(object.map()?)
    }
}

/// Memfds that can neither shrink nor grow, found through `/proc/PID/fd`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memfd;

impl Mechanism for Memfd {
    const NAME: &'static str = "memfd";
    const PERSISTS: bool = false;
    type Memory = OwnMemory;

    fn create(&self, size: u64) -> Result<Created<OwnMemory>, MechanismError> {
        if size == 0 {
            return Err(MechanismError::Empty);
        }
        let memory = OwnMemory::create("selkie-shared", size, Some(Seals::SHRINK | Seals::GROW))?;
        let ticket = Ticket::Memfd(PeerFd::ours(memory.fd()));
        Ok(Created { memory, ticket, leftover: Leftover::None })
    }

    fn open(&self, ticket: &Ticket, size: u64) -> Result<OwnMemory, MechanismError> {
        let Ticket::Memfd(peer) = ticket else { return Err(MechanismError::wrong::<Memfd>(ticket)) };
        map_memfd(peer.open()?, size)
    }
}

/// Maps a memfd of another process, which may have passed anything.
fn map_memfd(fd: OwnedFd, size: u64) -> Result<OwnMemory, MechanismError> {
    // Only memory of the kernel's own has seals: asking it for its size waits for nobody.
    if Seals::of(&fd).is_err() {
        crate::closer::close_elsewhere(fd);
        return Err(MechanismError::NotMemory);
    }
    let has = OwnMemory::file_size(&fd)?;
    at_least(size, has)?;
    if has == 0 {
        return Err(MechanismError::Empty);
    }
    Ok(OwnMemory::map_shared(fd, has)?)
}

/// Dma-bufs of the kernel's own making, found through `pidfd_getfd`. Their size is rounded up to whole pages.
#[derive(Debug)]
pub struct DmaBufs {
    source: Source,
}

/// Where dma-bufs come from.
#[derive(Debug)]
enum Source {
    Udmabuf(Udmabuf),
    Heap(DmaHeap),
    None,
}

impl DmaBufs {
    /// Made of memfds, by `/dev/udmabuf`.
    pub fn of_memfds(device: Udmabuf) -> DmaBufs {
        DmaBufs { source: Source::Udmabuf(device) }
    }

    /// From a dma-heap.
    pub fn of_heap(heap: DmaHeap) -> DmaBufs {
        DmaBufs { source: Source::Heap(heap) }
    }

    /// From nowhere: opens what others have created, for which no device is needed.
    pub fn opener() -> DmaBufs {
        DmaBufs { source: Source::None }
    }

    /// From whichever this machine has, and this user may use: the heap `system`, or else udmabuf.
    ///
    /// # Errors
    ///
    /// [`MechanismError::Udmabuf`], [`MechanismError::Heap`]: what is wrong with the one that is there, or that there is none.
    pub fn find() -> Result<DmaBufs, MechanismError> {
        let heap = match DmaHeap::open("system") {
            Ok(heap) => return Ok(DmaBufs::of_heap(heap)),
            Err(error) => error,
        };
        match Udmabuf::open() {
            Ok(device) => Ok(DmaBufs::of_memfds(device)),
            Err(crate::udmabuf::UdmabufError::NoDevice) => Err(heap.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes one of at least `size` bytes.
    fn make(&self, size: u64) -> Result<DmaBuf, MechanismError> {
        if size == 0 {
            return Err(MechanismError::Empty);
        }
        match &self.source {
            Source::None => Err(DmaHeapError::None.into()),
            Source::Heap(heap) => Ok(heap.allocate(size)?),
            Source::Udmabuf(device) => {
                let page = rustix::param::page_size() as u64;
                let whole = size.checked_next_multiple_of(page).unwrap_or(size);
                let memfd = memfd::create("selkie-shared", whole, Some(Seals::SHRINK))
                    .map_err(crate::own::OwnError::from)?;
                Ok(device.create(&memfd, 0, whole)?)
            }
        }
    }
}

impl Mechanism for DmaBufs {
    const NAME: &'static str = "dma-buf";
    const PERSISTS: bool = false;
    type Memory = DmaBufMappingMut;

    fn create(&self, size: u64) -> Result<Created<DmaBufMappingMut>, MechanismError> {
        let memory = self.make(size)?.map_mut()?;
        let ticket = Ticket::DmaBuf(PeerFd::ours(memory.fd()));
        Ok(Created { memory, ticket, leftover: Leftover::None })
    }

    fn open(&self, ticket: &Ticket, size: u64) -> Result<DmaBufMappingMut, MechanismError> {
        let Ticket::DmaBuf(peer) = ticket else { return Err(MechanismError::wrong::<DmaBufs>(ticket)) };
        let buffer = DmaBuf::new(peer.take()?)?;
        at_least(size, buffer.size())?;
        Ok(buffer.map_mut()?)
    }
}
