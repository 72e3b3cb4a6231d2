//! A dma-buf, passed as an fd over a Unix socket. It is made of a memfd's pages (udmabuf) or comes from a dma-heap, whichever the
//! machine has.
//!
//! To the other side it is a file like a memfd, with three differences: it can never shrink, so that there is nothing to seal; it cannot be
//! opened anew through `/proc`, so that an fd is the only way to it; and who reads or writes it with the CPU says so
//! before and after (`DMA_BUF_IOCTL_SYNC`), because a device may have it in a cache.
//!
//! See `linux/dma-buf.h`, `linux/udmabuf.h`, `linux/dma-heap.h`.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::str::FromStr;

use shm_core::dma_heap::{DmaHeap, DmaHeapError};
use shm_core::dmabuf::{DmaBuf, DmaBufError};
use shm_core::memfd::{self, CreateError};
use shm_core::seals::Seals;
use shm_core::udmabuf::{Udmabuf, UdmabufError};

use super::memfd::with_byte;
use super::socket::{Connection, Listener, SocketError};
use super::wait::{WaitError, Waiter};
use super::{Checked, Content, Patience, SizeError, Table, TableError, pages};
use crate::trace::{SayError, Trace, fd};

/// What makes the dma-buf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// udmabuf, else the first dma-heap.
    #[default]
    Auto,
    /// `/dev/udmabuf`, of a memfd.
    Udmabuf,
    /// The dma-heap of this name.
    Heap(String),
}

impl FromStr for Source {
    type Err = ParseSourceError;

    fn from_str(text: &str) -> Result<Source, ParseSourceError> {
        match text {
            "auto" => Ok(Source::Auto),
            "udmabuf" => Ok(Source::Udmabuf),
            "dma-heap" => Ok(Source::Heap("system".into())),
            other => match other.strip_prefix("dma-heap:") {
                Some(name) if !name.is_empty() => Ok(Source::Heap(name.into())),
                _ => Err(ParseSourceError { text: text.to_owned() }),
            },
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Auto => f.write_str("auto"),
            Source::Udmabuf => f.write_str("udmabuf"),
            Source::Heap(name) => write!(f, "dma-heap:{name}"),
        }
    }
}

/// A word that names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` makes no dma-bufs: write auto, udmabuf, dma-heap, or dma-heap:NAME")]
pub struct ParseSourceError {
    /// The word.
    pub text: String,
}

/// `selkie shm dmabuf export`.
#[derive(Debug)]
pub struct Export {
    /// What it is filled with.
    pub content: Content,
    /// What makes it.
    pub source: Source,
    /// Where to listen.
    pub socket: PathBuf,
    /// How long to wait.
    pub patience: Patience,
}

/// `selkie shm dmabuf import`.
#[derive(Debug)]
pub struct Import {
    /// What it should be filled with.
    pub byte: u8,
    /// Where the exporter listens.
    pub socket: PathBuf,
}

/// Makes a dma-buf and gives it to somebody; `false` if it was not as it should be, or nobody came.
///
/// # Errors
///
/// [`DmaBufPairError`].
pub fn export(export: &Export, trace: &mut Trace) -> Result<bool, DmaBufPairError> {
    let Content { size, byte } = export.content;
    export.content.check()?;
    let mut waiter = Waiter::new(export.patience)?;
    export.content.fits(1)?;
    let table = Table::begin()?;
    let buffer = make(&export.source, size, trace)?;
    fill(&buffer, byte, trace)?;
    let listener = Listener::bind(&export.socket, trace)?;
    trace.say(format_args!(
        "a dma-buf of {} bytes, made by {}: full of {byte:#04x}",
        buffer.size(),
        buffer.exporter()
    ))?;
    let (socket, byte) = (export.socket.display(), with_byte(byte));
    trace.say(format_args!("in another terminal: selkie shm dmabuf import --socket {socket}{byte}"))?;
    table.lives(trace)?;
    let served = listener.serve(&[buffer.fd()], &mut waiter, trace)?;
    listener.close(trace);
    let number = buffer.as_fd().as_raw_fd();
    trace.quiet(format_args!("close({number})"), || drop(buffer));
    let good = served.tell(trace)?;
    table.after(trace)?;
    Ok(good)
}

/// Takes the dma-buf and looks at every byte; `false` if one is not as it should be.
///
/// # Errors
///
/// [`DmaBufPairError`].
pub fn import(import: &Import, trace: &mut Trace) -> Result<bool, DmaBufPairError> {
    let connection = Connection::connect(&import.socket, trace)?;
    let mut good = true;
    for received in connection.receive(trace)? {
        let number = received.as_raw_fd();
        let buffer = trace.several(
            format_args!("lseek({number}, 0, SEEK_END)"),
            |buffer: &Result<DmaBuf, DmaBufError>| match buffer {
                Ok(buffer) => vec![buffer.size().to_string()],
                Err(error) => vec![format!("? ({error})")],
            },
            || DmaBuf::new(received),
        )?;
        let len = buffer.size();
        let mapping = trace.several(
            format_args!("mmap(NULL, {}, PROT_READ, MAP_SHARED, {number}, 0)", pages(len)),
            |mapping| vec![if mapping.is_ok() { "?" } else { "-1" }.to_owned()],
            || buffer.map(),
        )?;
        let checked = Checked::check(import.byte, mapping.len(), |offset, to| {
            turn(number, "DMA_BUF_SYNC_READ", trace, || mapping.copy_to(offset, to))
        })?;
        trace.say(format_args!(
            "a dma-buf from {}, made by {}: {checked}",
            connection.peer,
            buffer.exporter()
        ))?;
        good &= checked.all();
    }
    connection.answer(good, trace)?;
    Ok(good)
}

/// An access between the two calls that frame it.
fn turn(
    number: i32,
    access: &str,
    trace: &mut Trace,
    run: impl FnOnce() -> Result<(), DmaBufError>,
) -> Result<(), DmaBufError> {
    trace.several(
        format_args!("ioctl({number}, DMA_BUF_IOCTL_SYNC, {{flags=DMA_BUF_SYNC_START|{access}}})"),
        |done| match done {
            Ok(()) => {
                vec![
                    "0".into(),
                    format!("ioctl({number}, DMA_BUF_IOCTL_SYNC, {{flags=DMA_BUF_SYNC_END|{access}}}) = 0"),
                ]
            }
            Err(error) => vec![format!("? ({error})")],
        },
        run,
    )
}

/// A dma-buf of whole pages, zeroed.
fn make(source: &Source, size: u64, trace: &mut Trace) -> Result<DmaBuf, DmaBufPairError> {
    match source {
        Source::Udmabuf => udmabuf(size, trace),
        Source::Heap(name) => heap(name, size, trace),
        Source::Auto => match udmabuf(size, trace) {
            Err(DmaBufPairError::Udmabuf(UdmabufError::NoDevice | UdmabufError::Forbidden)) => {
                match DmaHeap::list().into_iter().next() {
                    Some(name) => heap(&name, size, trace),
                    None => Err(DmaBufPairError::NoSource),
                }
            }
            other => other,
        },
    }
}

fn udmabuf(size: u64, trace: &mut Trace) -> Result<DmaBuf, DmaBufPairError> {
    let device = trace.several(
        format_args!("openat(AT_FDCWD, \"/dev/udmabuf\", O_RDWR|O_CLOEXEC)"),
        |device| vec![unknown(device)],
        Udmabuf::open,
    )?;
    let size = pages(size);
    let memfd = trace.several(
        format_args!("memfd_create(\"selkie-dmabuf\", MFD_CLOEXEC|MFD_ALLOW_SEALING)"),
        |memfd: &Result<_, CreateError>| match memfd {
            Ok(memfd) => vec![
                fd(memfd),
                format!("ftruncate({}, {size}) = 0", fd(memfd)),
                format!("fcntl({}, F_ADD_SEALS, F_SEAL_SHRINK) = 0", fd(memfd)),
            ],
            Err(error) => vec![format!("? ({error})")],
        },
        || memfd::create("selkie-dmabuf", size, Some(Seals::SHRINK)),
    )?;
    let number = memfd.as_raw_fd();
    // The memfd may go: the dma-buf keeps the pages.
    Ok(trace.call(
        format_args!("ioctl(udmabuf, UDMABUF_CREATE, {{memfd={number}, flags=UDMABUF_FLAGS_CLOEXEC, offset=0, size={size}}})"),
        fd,
        || device.create(&memfd, 0, size),
    )?)
}

fn heap(name: &str, size: u64, trace: &mut Trace) -> Result<DmaBuf, DmaBufPairError> {
    let heap = trace.several(
        format_args!("openat(AT_FDCWD, \"/dev/dma_heap/{name}\", O_RDONLY|O_CLOEXEC)"),
        |heap| vec![unknown(heap)],
        || DmaHeap::open(name),
    )?;
    Ok(trace.call(
        format_args!("ioctl(heap, DMA_HEAP_IOCTL_ALLOC, {{len={size}, fd_flags=O_RDWR|O_CLOEXEC}})"),
        fd,
        || heap.allocate(size),
    )?)
}

/// The result of an opening that keeps its fd to itself.
fn unknown<T, E: std::error::Error>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => "?".to_owned(),
        Err(error) => format!("-1 ({error})"),
    }
}

fn fill(buffer: &DmaBuf, byte: u8, trace: &mut Trace) -> Result<(), DmaBufError> {
    let number = buffer.fd().as_raw_fd();
    let mut mapping = trace.several(
        format_args!("mmap(NULL, {}, PROT_READ|PROT_WRITE, MAP_SHARED, {number}, 0)", buffer.size()),
        |mapping| vec![if mapping.is_ok() { "?" } else { "-1" }.to_owned()],
        || buffer.map_mut(),
    )?;
    let chunk = vec![byte; super::CHUNK.min(mapping.len())];
    let len = mapping.len();
    turn(number, "DMA_BUF_SYNC_RW", trace, || {
        mapping.turn(|writer| {
            (0..len).step_by(chunk.len()).try_for_each(|offset| {
                let count = chunk.len().min(len - offset);
                writer.write_at(offset, &chunk[..count])
            })
        })?
    })
}

/// Why no dma-buf could be shared.
#[derive(Debug, thiserror::Error)]
pub enum DmaBufPairError {
    /// There can be no memory of that size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// The machine has nothing that makes any.
    #[error(
        "nothing here makes dma-bufs: there is neither a /dev/udmabuf (modprobe udmabuf, and be in the group kvm) nor a \
         /dev/dma_heap that may be opened"
    )]
    NoSource,
    /// udmabuf makes none.
    #[error(transparent)]
    Udmabuf(#[from] UdmabufError),
    /// The heap gives none.
    #[error(transparent)]
    Heap(#[from] DmaHeapError),
    /// There is no memfd to make it of.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// It cannot be used, or what came is none.
    #[error(transparent)]
    DmaBuf(#[from] DmaBufError),
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
