//! Where the plain shared memory comes from, and how the other process finds it. What is done in it is the same for all: see
//! [`region`](super::region).

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use shm_core::mechanism::{Created, Leftover, Mechanism, Ticket};
use shm_core::own::OwnMemory;
use shm_core::seals::Seals;

use super::control::Watch;
use super::message::{Look, Size};
use super::region::{self, Region, Side};
use super::transport::{Endpoint, Joining, Offer, TransportError, fds_of};

/// Memory that is found by a name or a number, which is removed as soon as both have it: a System V segment, POSIX shared
/// memory.
pub(super) fn named<M: Mechanism>(mechanism: &M, size: Size, watch: Watch) -> Result<Offer, TransportError> {
    let created = mechanism.create(len(size)).map_err(TransportError::memory)?;
    let Created { memory, ticket, leftover } = created;
    let region = Region::new(memory, Side::Maker, size, watch)?;
    let endpoint = Box::new(Named { region, leftover });
    Ok(Offer { endpoint, place: ticket.to_string(), fds: Vec::new() })
}

/// Takes the other end of what [`named`] made.
pub(super) fn join_named<M: Mechanism>(
    mechanism: &M,
    joining: Joining,
) -> Result<Box<dyn Endpoint>, TransportError> {
    let ticket: Ticket = joining.place.parse().map_err(TransportError::memory)?;
    let memory = mechanism.open(&ticket, len(joining.size)).map_err(TransportError::memory)?;
    Ok(Box::new(Region::new(memory, Side::Joiner, joining.size, joining.watch)?))
}

/// Memory that can be found until the other process has found it.
struct Named<R> {
    region: R,
    leftover: Leftover,
}

impl<R: Endpoint> Endpoint for Named<R> {
    fn send(&mut self, number: u64) -> Result<(), TransportError> {
        self.region.send(number)
    }

    fn receive(&mut self, look: Look) -> Result<u64, TransportError> {
        self.region.receive(look)
    }

    fn joined(&mut self) -> Result<(), TransportError> {
        std::mem::replace(&mut self.leftover, Leftover::None).remove().map_err(TransportError::memory)
    }
}

/// A memfd, sealed against shrinking, whose fd is passed once. See `memfd_create(2)`.
pub(super) fn memfd(size: Size, watch: Watch) -> Result<Offer, TransportError> {
    of_fd(sealed("selkie-bench", len(size))?, size, watch)
}

/// A memfd that stays as long as it is, mapped.
pub(super) fn sealed(name: &str, len: u64) -> Result<OwnMemory, TransportError> {
    let seals = Seals::SHRINK | Seals::GROW | Seals::SEAL;
    OwnMemory::create(name, len, Some(seals)).map_err(TransportError::memory)
}

/// A file on a disk in `dir`, mapped; it has no name, so that none is left. See `mmap(2)`, and `open(2)` for `O_TMPFILE`.
pub(super) fn file(size: Size, dir: &Path, watch: Watch) -> Result<Offer, TransportError> {
    let made = tempfile::tempfile_in(dir).and_then(|file| {
        // Its blocks now: a full disk is an error here, and SIGBUS later.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len(size))?;
        Ok(file)
    });
    let file =
        made.map_err(|source| TransportError::File { dir: dir.to_owned(), bytes: len(size), source })?;
    let memory = OwnMemory::map_shared(file.into(), len(size)).map_err(TransportError::memory)?;
    of_fd(memory, size, watch)
}

fn of_fd(memory: OwnMemory, size: Size, watch: Watch) -> Result<Offer, TransportError> {
    let fd = second_fd(&memory)?;
    let endpoint = Box::new(Region::new(memory, Side::Maker, size, watch)?);
    Ok(Offer { endpoint, place: String::new(), fds: vec![fd] })
}

/// An fd to be passed.
pub(super) fn second_fd(memory: &OwnMemory) -> Result<OwnedFd, TransportError> {
    let fd = memory.as_fd().try_clone_to_owned();
    fd.map_err(|source| TransportError::Make { what: "a second fd of shared memory", source })
}

/// Takes the other end of what [`memfd`] or [`file`] made.
pub(super) fn join_fd(joining: Joining) -> Result<Box<dyn Endpoint>, TransportError> {
    let [fd]: [OwnedFd; 1] = fds_of(joining.fds)?;
    let memory = OwnMemory::map_shared(fd, len(joining.size)).map_err(TransportError::memory)?;
    Ok(Box::new(Region::new(memory, Side::Joiner, joining.size, joining.watch)?))
}

fn len(size: Size) -> u64 {
    region::bytes(size) as u64
}
