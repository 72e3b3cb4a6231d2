//! A System V segment, found by its key.
//!
//! It belongs to nobody: it stays when its maker has ended, and until it is removed or the machine is shut down. So the writer
//! removes it, unless it is to be kept; one that is killed (SIGKILL) cannot, and leaves it behind.
//!
//! See `sysvipc(7)`, `shmget(2)`, `shmop(2)`, `shmctl(2)`.

use std::process;

use shm_core::shared::{AccessError, Shared};
use shm_core::sysv::{Attachment, Create, Key, Place, ReadAttachment, Segment, Stat, SysvError};

use super::memfd::with_byte;
use super::socket;
use super::wait::{WaitError, Waiter, Woken};
use super::{Checked, Content, Patience, SizeError, Table, TableError, fill};
use crate::trace::{SayError, Trace, zero};

/// `selkie shm sysv write`.
#[derive(Debug)]
pub struct Write {
    /// What it is filled with.
    pub content: Content,
    /// Its key.
    pub key: Key,
    /// How the other side names that key.
    pub named: String,
    /// Who may read and write it, as of a file.
    pub mode: u32,
    /// Whether to leave it there, and wait for nobody.
    pub keep: bool,
    /// How long to wait.
    pub patience: Patience,
}

/// `selkie shm sysv read`.
#[derive(Debug)]
pub struct Read {
    /// What it should be filled with.
    pub byte: u8,
    /// Its key.
    pub key: Key,
    /// How many bytes it should have at least; `None`: as many as it has.
    pub size: Option<u64>,
    /// Whether to remove it afterwards.
    pub remove: bool,
}

/// Makes a segment, fills it, waits until somebody has read it, and removes it; `false` if nobody came.
///
/// # Errors
///
/// [`SysvPairError`].
pub fn write(write: &Write, trace: &mut Trace) -> Result<bool, SysvPairError> {
    let Content { size, byte } = write.content;
    write.content.check()?;
    let mut waiter = Waiter::new(write.patience)?;
    let table = Table::begin()?;
    let create = Create { mode: write.mode, ..Create::new(size) };
    let segment = trace.call(
        format_args!("shmget({}, {size}, IPC_CREAT|IPC_EXCL|{:04o})", write.key, write.mode),
        |segment: &Segment| segment.id().to_string(),
        || Segment::create(write.key, &create),
    )?;
    let owned = segment.remove_on_drop();
    write.content.fits(1)?;
    let id = segment.id();
    let memory = trace.call(
        format_args!("shmat({id}, NULL, 0)"),
        |memory: &Attachment| format!("{:p}", memory.start()),
        || segment.attach(),
    )?;
    fill(&memory, byte)?;
    trace.say(format_args!(
        "segment {id}, key {}, mode {:04o}: {size} bytes of {byte:#04x}",
        write.key, write.mode
    ))?;
    let other = format!("selkie shm sysv read{}{}", write.named, with_byte(byte));
    if write.keep {
        detach(memory, trace);
        trace
            .say(format_args!("it stays when this has ended, until somebody removes it: {other} --remove"))?;
        owned.keep();
        table.lives(trace)?;
        return Ok(true);
    }
    trace.say(format_args!("in another terminal: {other}"))?;
    table.lives(trace)?;
    // The kernel keeps count of those who have it attached, and tells nobody when that changes.
    let woken = waiter.asking(|| -> Result<bool, SysvPairError> {
        let stat = segment.stat()?;
        Ok(stat.removed || (stat.attached == 1 && stat.detached_at.is_some()))
    })?;
    if woken == Woken::Ready {
        let stat = stat(segment, trace)?;
        match stat.last_pid.cast_unsigned() {
            pid if pid == process::id() => trace.say(format_args!("somebody has removed it"))?,
            _ => trace.say(format_args!("it was read by {}", socket::process(stat.last_pid)))?,
        }
    } else {
        woken.tell(trace)?;
    }
    detach(memory, trace);
    trace.call(format_args!("shmctl({id}, IPC_RMID, NULL)"), zero, || owned.remove())?;
    table.after(trace)?;
    Ok(woken != Woken::Time)
}

/// Finds the segment and looks at every byte; `false` if one is not as it should be.
///
/// # Errors
///
/// [`SysvPairError`].
pub fn read(read: &Read, trace: &mut Trace) -> Result<bool, SysvPairError> {
    let size = read.size.unwrap_or(0);
    let segment = trace.call(
        format_args!("shmget({}, {size}, 0)", read.key),
        |segment: &Segment| segment.id().to_string(),
        || Segment::open(read.key, size),
    )?;
    let id = segment.id();
    let memory = trace.call(
        format_args!("shmat({id}, NULL, SHM_RDONLY)"),
        |memory: &ReadAttachment| format!("{:#x}", memory.address()),
        || segment.attach_read_only(Place::Anywhere),
    )?;
    let checked = Checked::check(read.byte, memory.len(), |offset, to| memory.read_at(offset, to))?;
    let stat = stat(segment, trace)?;
    let address = memory.address();
    trace.quiet(format_args!("shmdt({address:#x})"), || drop(memory));
    if read.remove {
        trace.call(format_args!("shmctl({id}, IPC_RMID, NULL)"), zero, || segment.remove())?;
    }
    trace.say(format_args!("segment {id}, made by {}: {checked}", socket::process(stat.creator_pid)))?;
    Ok(checked.all())
}

/// What the kernel knows of it.
fn stat(segment: Segment, trace: &mut Trace) -> Result<Stat, SysvError> {
    trace.call(
        format_args!("shmctl({}, IPC_STAT, buf)", segment.id()),
        |stat: &Stat| {
            let Stat { size, attached, creator_pid, last_pid, .. } = stat;
            format!("0, shm_segsz={size}, shm_nattch={attached}, shm_cpid={creator_pid}, shm_lpid={last_pid}")
        },
        || segment.stat(),
    )
}

fn detach(memory: Attachment, trace: &mut Trace) {
    let start = memory.start();
    trace.quiet(format_args!("shmdt({start:p})"), || drop(memory));
}

/// Why a segment could not be shared.
#[derive(Debug, thiserror::Error)]
pub enum SysvPairError {
    /// There can be no memory of that size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Something about the segment.
    #[error(transparent)]
    Sysv(#[from] SysvError),
    /// It cannot be filled, or read.
    #[error(transparent)]
    Access(#[from] AccessError),
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
