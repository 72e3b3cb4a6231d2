//! The attempts themselves, each on a memfd of its own, since what one changes the next would find changed.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FallocateFlags, Mode};
use shm_core::attempt::map_shared;
use shm_core::guard::Access;
use shm_core::memfd;
use shm_core::own::OwnMemory;
use shm_core::seals::{SealError, Seals};

use super::{Operation, Outcome, TryError};

/// Pages of each memfd: enough to give one back.
const PAGES: usize = 2;

/// A memfd that can be sealed, and has as few seals as the kernel lets it have.
///
/// Without the executable bits, that a memfd has by default: to seal those on an executable file would add all the other seals
/// but `F_SEAL_SEAL` too (an executable that can be changed is what `F_SEAL_EXEC` is against).
pub(super) fn fresh() -> Result<OwnedFd, TryError> {
    let fd = memfd::create("selkie-seal", size() as u64, Some(Seals::empty()))?;
    rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)
        .map_err(|source| TryError::Mode { source: source.into() })?;
    Ok(fd)
}

/// In bytes.
fn size() -> usize {
    PAGES * rustix::param::page_size()
}

/// Tries an operation on a fresh memfd with these seals.
pub(super) fn attempt(operation: Operation, seals: Seals) -> Result<Outcome, TryError> {
    match operation {
        Operation::Seal => return Ok(add(&fresh()?, seals)),
        Operation::SealWhileMapped => return Ok(seal_while_mapped(seals)?.1),
        Operation::WriteOldMapping => {
            let (mapping, _) = seal_while_mapped(seals)?;
            return Ok(write_through(mapping));
        }
        _ => {}
    }
    let fd = fresh()?;
    Seals::add(&fd, seals).map_err(|source| TryError::Sealing { source })?;
    let (size, page) = (size(), rustix::param::page_size() as u64);
    Ok(match operation {
        Operation::Shrink => rustix::fs::ftruncate(&fd, page).into(),
        Operation::Grow => rustix::fs::ftruncate(&fd, size as u64 + page).into(),
        Operation::Write => rustix::io::pwrite(&fd, b"w", 0).into(),
        Operation::Append => rustix::io::pwrite(&fd, b"w", size as u64).into(),
        Operation::MapWritable => said(map_shared(fd.as_fd(), size, Access::Write)),
        Operation::MapReadOnly => said(map_shared(fd.as_fd(), size, Access::Read)),
        Operation::PunchHole => {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&fd, flags, 0, page).into()
        }
        Operation::AddSeal => add(&fd, Seals::SEAL),
        Operation::MakeExecutable => rustix::fs::fchmod(&fd, Mode::RWXU).into(),
        Operation::Seal | Operation::SealWhileMapped | Operation::WriteOldMapping => Outcome::Done,
    })
}

/// A memfd that was mapped before it was (or was not) sealed, and what the sealing said.
fn seal_while_mapped(seals: Seals) -> Result<(OwnMemory, Outcome), TryError> {
    let mapping =
        OwnMemory::map_shared(fresh()?, size() as u64).map_err(|source| TryError::Map { source })?;
    let outcome = add(&mapping, seals);
    Ok((mapping, outcome))
}

fn write_through(mut mapping: OwnMemory) -> Outcome {
    match mapping.write_at(0, b"w") {
        Ok(()) => Outcome::Done,
        Err(_) => Outcome::Fault,
    }
}

fn add(fd: impl AsFd, seals: Seals) -> Outcome {
    match Seals::add(fd, seals) {
        Ok(()) => Outcome::Done,
        Err(SealError::Add { source, .. } | SealError::Get { source }) => source.into(),
    }
}

fn said(result: std::io::Result<()>) -> Outcome {
    result.map_or_else(Outcome::from, |()| Outcome::Done)
}
