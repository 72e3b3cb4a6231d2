//! POSIX shared memory: a file in `/dev/shm`, found by its name.
//!
//! The name stays when its maker has ended, and with it the memory, until it is removed or the machine is shut down. So the writer
//! removes it, unless it is to be kept; one that is killed (SIGKILL) cannot, and leaves it behind. `ipcs` does not show it, `ls
//! /dev/shm` does. Who has it open or mapped keeps the memory when the name has gone.
//!
//! See `shm_overview(7)`, `shm_open(3)`.

use std::os::fd::{AsFd, AsRawFd};

use shm_core::mapping::{Guarded, Mapping, ReadError};
use shm_core::own::OwnMemory;
use shm_core::posix::{self, Create, Name, Object, PosixError};
use shm_core::shared::AccessError;

use super::memfd::{self, with_byte};
use super::wait::{WaitError, Waiter, Woken};
use super::watch::{self, Watch, WatchError};
use super::{Content, Patience, SizeError, Table, TableError, fill};
use crate::trace::{SayError, Trace, failure, fd, zero};

/// `selkie shm posix write`.
#[derive(Debug)]
pub struct Write {
    /// What it is filled with.
    pub content: Content,
    /// Its name.
    pub name: Name,
    /// Who may read and write it, as of a file.
    pub mode: u32,
    /// Whether to leave it there, and wait for nobody.
    pub keep: bool,
    /// How long to wait.
    pub patience: Patience,
}

/// `selkie shm posix read`.
#[derive(Debug)]
pub struct Read {
    /// What it should be filled with.
    pub byte: u8,
    /// Its name.
    pub name: Name,
    /// How many bytes it should have at least; `None`: as many as it has.
    pub size: Option<u64>,
    /// Whether to remove the name afterwards.
    pub remove: bool,
}

/// Makes the memory, fills it, waits until somebody has read it, and removes it; `false` if nobody came.
///
/// # Errors
///
/// [`PosixPairError`].
pub fn write(write: &Write, trace: &mut Trace) -> Result<bool, PosixPairError> {
    let Content { size, byte } = write.content;
    write.content.check()?;
    let mut waiter = Waiter::new(write.patience)?;
    // All of its pages are made at once.
    write.content.fits(1)?;
    let table = Table::begin()?;
    let name = &write.name;
    let object = create(write, trace)?;
    let owned = object.unlink_on_drop();
    let watch = if write.keep { None } else { Some(Watch::new(object.fd(), trace)?) };
    let number = object.as_fd().as_raw_fd();
    let memory = memfd::map_own(number, size, trace, || object.map())?;
    fill(&memory, byte)?;
    trace.say(format_args!("{name}, mode {:04o}: {size} bytes of {byte:#04x}", write.mode))?;
    let other = format!("selkie shm posix read {name}{}", with_byte(byte));
    let Some(watch) = watch else {
        let_go(memory, trace);
        trace
            .say(format_args!("it stays when this has ended, until somebody removes it: {other} --remove"))?;
        owned.keep();
        table.lives(trace)?;
        return Ok(true);
    };
    trace.say(format_args!("in another terminal: {other}"))?;
    table.lives(trace)?;
    let woken = watch.wait(&mut waiter, trace)?;
    let_go(memory, trace);
    remove(owned, trace)?;
    table.after(trace)?;
    Ok(woken != Woken::Time)
}

/// Finds the memory and looks at every byte; `false` if one is not as it should be.
///
/// # Errors
///
/// [`PosixPairError`].
pub fn read(read: &Read, trace: &mut Trace) -> Result<bool, PosixPairError> {
    let name = &read.name;
    let object = trace.call(
        format_args!("open(\"/dev/shm{name}\", O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC)"),
        fd,
        || Object::open_read_only(name),
    )?;
    let number = object.as_fd().as_raw_fd();
    let has = trace.call(
        format_args!("fstat({number}, buf)"),
        |size: &u64| format!("0, st_size={size}"),
        || object.size(),
    )?;
    let size = match read.size {
        _ if has == 0 => return Err(PosixError::NoBytes { name: name.clone() }.into()),
        Some(size) if size > has => return Err(PosixError::Smaller { name: name.clone(), size, has }.into()),
        Some(0) => return Err(SizeError::Zero.into()),
        Some(size) => size,
        None => has,
    };
    watch::notice(object.fd(), trace)?;
    let mapping = memfd::map(object.fd(), size, trace, Mapping::<Guarded>::new)?;
    let checked = memfd::check(&mapping, read.byte)?;
    memfd::unmap(mapping, trace);
    trace.quiet(format_args!("close({number})"), || drop(object));
    if read.remove {
        trace
            .call(format_args!("unlinkat(AT_FDCWD, \"/dev/shm{name}\", 0)"), zero, || posix::unlink(name))?;
    }
    trace.say(format_args!("{name}: {checked}"))?;
    Ok(checked.all())
}

/// A new object with all of its pages: a `/dev/shm` that is full is to be an error, and not a signal when it is written to.
fn create(write: &Write, trace: &mut Trace) -> Result<Object, PosixPairError> {
    let Write { name, mode, content: Content { size, .. }, .. } = write;
    let create = Create { mode: *mode, reserve: true, ..Create::new(*size) };
    let lines = |created: &Result<Object, PosixError>| match created {
        Ok(object) => {
            let number = object.as_fd().as_raw_fd();
            vec![
                number.to_string(),
                format!("ftruncate({number}, {size}) = 0"),
                format!("fallocate({number}, 0, 0, {size}) = 0"),
            ]
        }
        Err(error @ PosixError::Full { .. }) => vec![
            "?".into(),
            format!("ftruncate(?, {size}) = 0"),
            format!("fallocate(?, 0, 0, {size}) = {}", failure(error)),
            format!("unlinkat(AT_FDCWD, \"/dev/shm{name}\", 0) = 0"),
        ],
        Err(error @ PosixError::TooLarge { .. }) => vec![
            "?".into(),
            format!("ftruncate(?, {size}) = {}", failure(error)),
            format!("unlinkat(AT_FDCWD, \"/dev/shm{name}\", 0) = 0"),
        ],
        Err(error) => vec![failure(error)],
    };
    let call =
        format!("\"/dev/shm{name}\", O_RDWR|O_CREAT|O_EXCL|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC, {mode:04o}");
    let created = trace.several(format_args!("open({call})"), lines, || Object::create(name, &create));
    created.map_err(|error| match &error {
        PosixError::TooLarge { source, .. } => match super::file_limit(*size, source) {
            Some(limit) => SizeError::FileLimit { limit, size: *size }.into(),
            None => error.into(),
        },
        _ => error.into(),
    })
}

fn let_go(memory: OwnMemory, trace: &mut Trace) {
    memfd::close(memfd::unmap_own(memory, trace), trace);
}

fn remove(owned: posix::OwnedName, trace: &mut Trace) -> Result<(), PosixError> {
    let path = format!("/dev/shm{}", owned.name());
    match trace.call(format_args!("unlinkat(AT_FDCWD, {path:?}, 0)"), zero, || owned.unlink()) {
        // By a reader that was told to.
        Err(PosixError::NoSuch { .. }) => Ok(()),
        other => other,
    }
}

/// Why POSIX memory could not be shared.
#[derive(Debug, thiserror::Error)]
pub enum PosixPairError {
    /// There can be no memory of that size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Something about the object.
    #[error(transparent)]
    Posix(#[from] PosixError),
    /// It cannot be filled.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It cannot be mapped to be read.
    #[error(transparent)]
    Memfd(#[from] memfd::MemfdError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be learned who opens it.
    #[error(transparent)]
    Watch(#[from] WatchError),
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
