//! udmabuf: a dma-buf of the pages of a memfd, so that shared memory can go where only dma-bufs are taken.
//!
//! The kernel pins the pages, and wants to be sure that they stay those of the file: `F_SEAL_SHRINK`, and none of the
//! write seals (the dma-buf could be written; and as long as it lives, `F_SEAL_WRITE` cannot be added: `EBUSY`). It says
//! `EINVAL` to everything it does not like, so the reason is found out here, in [`check`].
//!
//! The pages are those that the file has at that moment. A hole punched into it later, which `F_SEAL_SHRINK` permits, gives the
//! file new pages, and the dma-buf keeps the old ones.
//!
//! See `linux/udmabuf.h`, and `drivers/dma-buf/udmabuf.c` for the rules.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use crate::dmabuf::{DmaBuf, DmaBufError};
use crate::seals::Seals;

const DEVICE: &str = "/dev/udmabuf";

/// An open `/dev/udmabuf`.
#[derive(Debug)]
pub struct Udmabuf {
    device: File,
}

/// `struct udmabuf_create`.
#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

/// The head of `struct udmabuf_create_list`.
#[repr(C)]
struct ListHead {
    flags: u32,
    count: u32,
}

/// `struct udmabuf_create_item`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Item {
    memfd: u32,
    pad: u32,
    offset: u64,
    size: u64,
}

const CREATE: Opcode = opcode::write::<Create>(b'u', 0x42);
/// The size of the list is not in the number.
const CREATE_LIST: Opcode = opcode::write::<ListHead>(b'u', 0x43);
/// `UDMABUF_FLAGS_CLOEXEC`.
const CLOEXEC: u32 = 1;

/// A request whose answer is a new fd.
struct Request<const OPCODE: Opcode> {
    arg: *mut libc::c_void,
}

// SAFETY: the opcode is that of the structure that `arg` points to (see the two places where one is made), the kernel only
// reads it, and what it returns is an fd.
unsafe impl<const OPCODE: Opcode> Ioctl for Request<OPCODE> {
    type Output = OwnedFd;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut libc::c_void {
        self.arg
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut libc::c_void) -> rustix::io::Result<OwnedFd> {
        // SAFETY: the kernel has just opened it for us, and nobody else knows its number.
        Ok(unsafe { OwnedFd::from_raw_fd(output) })
    }
}

impl Udmabuf {
    /// Opens `/dev/udmabuf`.
    ///
    /// # Errors
    ///
    /// [`UdmabufError::NoDevice`], [`UdmabufError::Forbidden`], [`UdmabufError::Open`].
    pub fn open() -> Result<Udmabuf, UdmabufError> {
        match File::options().read(true).write(true).open(DEVICE) {
            Ok(device) => Ok(Udmabuf { device }),
            Err(source) => Err(match source.kind() {
                io::ErrorKind::NotFound => UdmabufError::NoDevice,
                io::ErrorKind::PermissionDenied => UdmabufError::Forbidden,
                _ => UdmabufError::Open { source },
            }),
        }
    }

    /// Makes a dma-buf of `size` bytes of `memfd` from `offset` on.
    ///
    /// # Errors
    ///
    /// [`UdmabufError::Refused`] if [`check`] knows why not, [`UdmabufError::Create`] with what the kernel said otherwise.
    pub fn create(&self, memfd: &impl AsFd, offset: u64, size: u64) -> Result<DmaBuf, UdmabufError> {
        let memfd = memfd.as_fd();
        check(memfd, offset, size).map_err(|why| UdmabufError::Refused { part: 0, why })?;
        let mut arg = Create { memfd: number(memfd), flags: CLOEXEC, offset, size };
        let request = Request::<CREATE> { arg: (&raw mut arg).cast() };
        // SAFETY: UDMABUF_CREATE reads this structure.
        self.made(1, size, unsafe { ioctl(&self.device, request) })
    }

    /// Makes one dma-buf of parts of memfds (fd, offset, size in bytes), one behind the other.
    ///
    /// # Errors
    ///
    /// As [`Udmabuf::create`].
    pub fn create_list(&self, parts: &[(BorrowedFd<'_>, u64, u64)]) -> Result<DmaBuf, UdmabufError> {
        let mut total = 0_u64;
        for (part, &(fd, offset, size)) in parts.iter().enumerate() {
            check(fd, offset, size).map_err(|why| UdmabufError::Refused { part, why })?;
            total = total.saturating_add(size);
        }
        within_limits(parts.len(), total).map_err(|why| UdmabufError::Refused { part: 0, why })?;
        // The head and an item have no padding and the same alignment as numbers of 64 bits.
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let mut arg: Vec<u64> = vec![0; 1 + 3 * parts.len()];
        let base = arg.as_mut_ptr();
        // SAFETY: the vector has room for the head (8 bytes) and an item (24 bytes) for each part, and is aligned for both.
        unsafe {
            base.cast::<ListHead>().write(ListHead { flags: CLOEXEC, count });
            let items = base.add(1).cast::<Item>();
            for (i, &(fd, offset, size)) in parts.iter().enumerate() {
                items.add(i).write(Item { memfd: number(fd), pad: 0, offset, size });
            }
        }
        let request = Request::<CREATE_LIST> { arg: base.cast() };
        // SAFETY: UDMABUF_CREATE_LIST reads the head, and as many items behind it as that says.
        self.made(parts.len(), total, unsafe { ioctl(&self.device, request) })
    }

    /// The dma-buf, or the error of the kernel.
    fn made(
        &self,
        parts: usize,
        size: u64,
        made: rustix::io::Result<OwnedFd>,
    ) -> Result<DmaBuf, UdmabufError> {
        match made {
            Ok(fd) => Ok(DmaBuf::known(fd, "udmabuf")?),
            Err(error) => Err(match within_limits(parts, size) {
                Err(why) if error == Errno::INVAL => UdmabufError::Refused { part: 0, why },
                _ => UdmabufError::Create { parts, size, source: error.into() },
            }),
        }
    }
}

/// The number of an fd as the kernel has it here; an open one is not negative.
fn number(fd: BorrowedFd<'_>) -> u32 {
    RawFd::cast_unsigned(fd.as_raw_fd())
}

/// Whether udmabuf would take `size` bytes of `fd` from `offset` on, and why not.
///
/// The fd may be anybody's: its file is asked for its size only when its seals prove that it is memory of the kernel's own.
///
/// # Errors
///
/// The first reason in the order of [`Refusal`].
pub fn check(fd: BorrowedFd<'_>, offset: u64, size: u64) -> Result<(), Refusal> {
    let seals = Seals::of(fd).map_err(|_| Refusal::NoSeals)?;
    takes_seals(seals)?;
    let file_size = rustix::fs::fstat(fd).map_or(0, |stat| stat.st_size.cast_unsigned());
    check_known(seals, file_size, offset, size)
}

/// As [`check`], of memory whose seals and size in bytes are known already.
///
/// # Errors
///
/// As [`check`].
pub fn check_known(seals: Seals, file_size: u64, offset: u64, size: u64) -> Result<(), Refusal> {
    takes_seals(seals)?;
    let page = rustix::param::page_size() as u64;
    if size == 0 {
        return Err(Refusal::Empty);
    }
    if !offset.is_multiple_of(page) {
        return Err(Refusal::Offset { offset, page });
    }
    if !size.is_multiple_of(page) {
        return Err(Refusal::Size { size, page });
    }
    if offset.checked_add(size).is_none_or(|end| end > file_size) {
        return Err(Refusal::BeyondEnd { offset, size, file_size });
    }
    within_limits(1, size)
}

/// Whether memory with these seals is taken.
fn takes_seals(seals: Seals) -> Result<(), Refusal> {
    if !seals.contains(Seals::SHRINK) {
        return Err(Refusal::ShrinkMissing { seals });
    }
    if seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
        return Err(Refusal::WriteSealed { seals });
    }
    Ok(())
}

/// What the module's parameters allow, where they can be read; root may change them at any time.
fn within_limits(parts: usize, size: u64) -> Result<(), Refusal> {
    let megabytes = parameter("size_limit_mb");
    if let Some(limit) = megabytes.map(|limit| limit.saturating_mul(1 << 20)).filter(|limit| size > *limit) {
        return Err(Refusal::TooLarge { size, limit });
    }
    let limit = parameter("list_limit").unwrap_or(u64::MAX);
    if parts as u64 > limit {
        return Err(Refusal::TooMany { parts, limit });
    }
    Ok(())
}

fn parameter(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/sys/module/udmabuf/parameters/{name}")).ok()?.trim().parse().ok()
}

/// Why udmabuf does not take a piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is no memory that can be sealed.
    #[error("udmabuf needs a memfd with F_SEAL_SHRINK, and this file can have no seals: use memfd_create")]
    NoSeals,
    /// The seal is missing.
    #[error(
        "udmabuf needs F_SEAL_SHRINK and no write seal, and the memory has the seals {seals}: add F_SEAL_SHRINK"
    )]
    ShrinkMissing {
        /// The seals it has.
        seals: Seals,
    },
    /// There is one seal too many.
    #[error(
        "udmabuf needs F_SEAL_SHRINK and no write seal, and the memory has the seals {seals}: leave out F_SEAL_WRITE \
         and F_SEAL_FUTURE_WRITE"
    )]
    WriteSealed {
        /// The seals it has.
        seals: Seals,
    },
    /// No bytes.
    #[error("udmabuf makes no dma-buf of 0 bytes")]
    Empty,
    /// The part does not begin with a page.
    #[error("the offset {offset} is not page-aligned: udmabuf needs a multiple of {page}")]
    Offset {
        /// The offset in bytes.
        offset: u64,
        /// The size of a page in bytes.
        page: u64,
    },
    /// The part does not end with a page.
    #[error("the size {size} is not page-aligned: udmabuf needs a multiple of {page}")]
    Size {
        /// The size in bytes.
        size: u64,
        /// The size of a page in bytes.
        page: u64,
    },
    /// The file ends before the part does.
    #[error("{size} bytes at {offset} are not within a file of {file_size} bytes")]
    BeyondEnd {
        /// The offset in bytes.
        offset: u64,
        /// The size in bytes.
        size: u64,
        /// The size of the file in bytes.
        file_size: u64,
    },
    /// It is more than one dma-buf may have.
    #[error(
        "{size} bytes are more than the {limit} that udmabuf allows: make less, or raise \
         /sys/module/udmabuf/parameters/size_limit_mb"
    )]
    TooLarge {
        /// The size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The list is too long.
    #[error(
        "{parts} parts are more than the {limit} that udmabuf allows: use fewer, or raise \
         /sys/module/udmabuf/parameters/list_limit"
    )]
    TooMany {
        /// How many parts.
        parts: usize,
        /// The limit.
        limit: u64,
    },
}

/// Why there is no dma-buf.
#[derive(Debug, thiserror::Error)]
pub enum UdmabufError {
    /// There is no device.
    #[error("no /dev/udmabuf: load the module (modprobe udmabuf), or use a kernel with CONFIG_UDMABUF")]
    NoDevice,
    /// We may not.
    #[error("/dev/udmabuf may not be opened: join the group that owns it (kvm, as a rule)")]
    Forbidden,
    /// Opening the device failed in another way.
    #[error("cannot open /dev/udmabuf")]
    Open {
        /// What the kernel said.
        source: io::Error,
    },
    /// A rule is not kept.
    #[error("{why}")]
    Refused {
        /// Which part, from 0.
        part: usize,
        /// Which rule.
        why: Refusal,
    },
    /// The kernel refused for a reason that is not known here.
    #[error("udmabuf makes no dma-buf of {parts} parts with {size} bytes in all")]
    Create {
        /// How many parts.
        parts: usize,
        /// Their size in bytes.
        size: u64,
        /// What the kernel said: `ENOMEM`, `EMFILE`; `EINVAL` also for more than one hugetlb memfd could give.
        source: io::Error,
    },
    /// There was a dma-buf, but it could not be used.
    #[error(transparent)]
    DmaBuf(#[from] DmaBufError),
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::memfd;

    #[test]
    fn every_refusal_has_its_reason() {
        let page = rustix::param::page_size() as u64;
        let good = Seals::SHRINK | Seals::GROW | Seals::SEAL;
        let check = |seals, offset, size| check_known(seals, 4 * page, offset, size);
        assert_eq!(check(good, 0, 4 * page), Ok(()));
        assert_eq!(check(Seals::SHRINK, page, page), Ok(()));
        assert_eq!(
            check(Seals::GROW, 1, 1).unwrap_err().to_string(),
            "udmabuf needs F_SEAL_SHRINK and no write seal, and the memory has the seals grow: add F_SEAL_SHRINK"
        );
        for write in [Seals::WRITE, Seals::FUTURE_WRITE] {
            let seals = good | write;
            assert_eq!(check(seals, 1, 1), Err(Refusal::WriteSealed { seals }));
        }
        assert_eq!(check(good, 0, 0), Err(Refusal::Empty));
        assert_eq!(check(good, 1, page), Err(Refusal::Offset { offset: 1, page }));
        assert_eq!(check(good, page, page + 1), Err(Refusal::Size { size: page + 1, page }));
        for (offset, size) in [(page, 4 * page), (4 * page, page), (!(page - 1), page)] {
            let beyond = Refusal::BeyondEnd { offset, size, file_size: 4 * page };
            assert_eq!(check(good, offset, size), Err(beyond));
        }
    }

    #[test]
    fn what_is_no_memory_is_not_asked_for_its_size() {
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(super::check(reader.as_fd(), 0, 4096), Err(Refusal::NoSeals));
        let memory = memfd::create("selkie-test", 1 << 16, None).unwrap();
        let refused = Refusal::ShrinkMissing { seals: Seals::of(&memory).unwrap() };
        assert_eq!(super::check(memory.as_fd(), 0, 1 << 16), Err(refused));
    }
}
