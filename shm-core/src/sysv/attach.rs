//! Attachments: a segment as memory of this process.
//!
//! Wherever an attachment is asked to be, it never takes the place of memory that somebody uses: the kernel refuses an address
//! that is taken, unless it is told to replace what is there (`SHM_REMAP`), and that is only done to a [`Reservation`].

use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags};

use super::{Segment, SysvError, error};
use crate::guard::{self, Access, Fault, Region};
use crate::shared::{AccessError, Shared, within};

/// Where to attach a segment.
#[derive(Debug, Default)]
pub enum Place {
    /// Where the kernel finds room. Nearly always the right one: who stores offsets rather than pointers in shared memory does
    /// not care where it is.
    #[default]
    Anywhere,
    /// At exactly this address, a multiple of [`lba`]; where anything is mapped, that is an error.
    At(usize),
    /// At this address rounded down to a multiple of [`lba`] (`SHM_RND`); where anything is mapped, that is an error.
    Near(usize),
    /// At the start of addresses that were kept free for it (`SHM_REMAP`).
    Over(Reservation),
}

/// What the address of an attachment is a multiple of, in bytes (`SHMLBA`): the page size, on all machines that this crate has been
/// used on. Where it is more, the kernel says so.
pub fn lba() -> usize {
    rustix::param::page_size()
}

/// Addresses of this process that are kept free: mapped, but without memory and without access.
#[derive(Debug)]
pub struct Reservation {
    start: NonNull<u8>,
    /// In bytes; whole pages.
    len: usize,
}

// SAFETY: only a range of addresses that belongs to this value alone.
unsafe impl Send for Reservation {}
// SAFETY: as above; `&Reservation` only says where it is.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Keeps `len` bytes free, rounded up to whole pages, wherever the kernel finds them.
    ///
    /// # Errors
    ///
    /// That of `mmap(2)`: `EINVAL` for 0 bytes, `ENOMEM`.
    pub fn new(len: usize) -> io::Result<Reservation> {
        let page = rustix::param::page_size();
        let len = len.checked_next_multiple_of(page).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Reservation { start, len })
    }

    /// Its first address.
    pub fn address(&self) -> usize {
        self.start.addr().get()
    }

    /// How many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// What is left of it behind its first `bytes`, which somebody else unmaps from now on.
    fn split_off(self, bytes: usize) -> Option<Reservation> {
        let (start, len) = (self.start, self.len);
        std::mem::forget(self);
        let len = len.checked_sub(bytes).filter(|len| *len > 0)?;
        // SAFETY: `bytes` is less than what there is.
        Some(Reservation { start: unsafe { start.add(bytes) }, len })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, not replaced since, and nobody has a reference into what cannot be accessed.
        if let Err(error) = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) } {
            tracing::error!(%error, len = self.len, "cannot unmap a reservation");
        }
    }
}

impl Segment {
    /// Attaches it to read and write, `shmat(2)`.
    ///
    /// # Errors
    ///
    /// [`SysvError::Forbidden`] (of a segment that may only be read too: see [`Segment::attach_read_only`]), [`SysvError::NoId`],
    /// [`SysvError::NoMemory`], [`SysvError::Guard`].
    pub fn attach(self) -> Result<Attachment, SysvError> {
        self.attach_at(Place::Anywhere)
    }

    /// As [`Segment::attach`], at a place.
    ///
    /// # Errors
    ///
    /// As [`Segment::attach`]; [`SysvError::Unaligned`], [`SysvError::Taken`], [`SysvError::Reserved`].
    pub fn attach_at(self, place: Place) -> Result<Attachment, SysvError> {
        Attached::new(self, place, Access::Write).map(Attachment)
    }

    /// Attaches it to read only (`SHM_RDONLY`).
    ///
    /// # Errors
    ///
    /// As [`Segment::attach_at`].
    pub fn attach_read_only(self, place: Place) -> Result<ReadAttachment, SysvError> {
        Attached::new(self, place, Access::Read).map(ReadAttachment)
    }
}

/// A segment, attached to read and write; detached when dropped (`shmdt(2)`).
#[derive(Debug)]
pub struct Attachment(Attached);

/// A segment, attached to read; detached when dropped (`shmdt(2)`).
#[derive(Debug)]
pub struct ReadAttachment(Attached);

#[derive(Debug)]
struct Attached {
    segment: Segment,
    start: NonNull<u8>,
    /// The segment's size in bytes.
    len: usize,
    /// What is mapped: `len` in whole pages.
    mapped: usize,
    /// Whether the pages are huge ones.
    huge: bool,
    region: Region,
    /// What was reserved beyond the segment.
    _rest: Option<Reservation>,
}

// SAFETY: the attachment belongs to this value alone and may be used and detached on any thread.
unsafe impl Send for Attached {}
// SAFETY: as above; threads meet in the memory only through raw accesses.
unsafe impl Sync for Attached {}

impl Attached {
    fn new(segment: Segment, place: Place, access: Access) -> Result<Attached, SysvError> {
        guard::install().map_err(|source| SysvError::Guard { source })?;
        let at = |address: usize, rounding| {
            let page = lba();
            let rounded = if rounding == 0 { address } else { address - address % page };
            if rounded == 0 || !rounded.is_multiple_of(page) {
                return Err(SysvError::Unaligned { address, page });
            }
            let start = attach(segment, ptr::without_provenance(address), access, rounding);
            Attached::with(segment, start.map_err(|source| taken(segment, rounded, source))?, access)
        };
        match place {
            Place::Anywhere => {
                let start = attach(segment, ptr::null(), access, 0)
                    .map_err(|source| error::on_id(segment.id(), wish(access), source))?;
                Attached::with(segment, start, access)
            }
            Place::At(address) => at(address, 0),
            Place::Near(address) => at(address, libc::SHM_RND),
            Place::Over(reservation) => {
                // Attached once already, the segment can be no other when its size has been looked at.
                let held = Attached::new(segment, Place::Anywhere, access)?;
                if held.mapped > reservation.len {
                    let (reserved, needed) = (reservation.len, held.mapped);
                    return Err(SysvError::Reserved { id: segment.id(), reserved, needed });
                }
                let address = reservation.start.as_ptr().cast_const().cast();
                // The pages that are replaced belong to the reservation, which is given up here. Where that fails, there may
                // be a hole in it by now, and anything in the hole: then its addresses are leaked.
                let (at, rest) = (reservation.address(), reservation.split_off(held.mapped));
                let start = attach(segment, address, access, libc::SHM_REMAP)
                    .map_err(|source| taken(segment, at, source))?;
                let mut attached = Attached::with(segment, start, access)?;
                attached._rest = rest;
                Ok(attached)
            }
        }
    }

    /// Takes over what has just been attached at `start`.
    fn with(segment: Segment, start: NonNull<u8>, access: Access) -> Result<Attached, SysvError> {
        // From here on the kernel keeps the segment, and its id, for us.
        let undo = |error| {
            detach(start);
            error
        };
        let size = segment.stat().map_err(undo)?.size;
        let page = page_size(start.addr().get());
        let sizes =
            usize::try_from(size).ok().and_then(|len| Some((len, len.checked_next_multiple_of(page)?)));
        let Some((len, mapped)) = sizes else {
            let source = io::ErrorKind::OutOfMemory.into();
            return Err(undo(SysvError::NoMemory { size: Some(size), source }));
        };
        // SAFETY: whole pages, just attached; detached only by drop; nobody in this crate makes references into them.
        let region = unsafe { Region::new(start, mapped, access) };
        let huge = page != rustix::param::page_size();
        Ok(Attached { segment, start, len, mapped, huge, region, _rest: None })
    }

    fn run<R>(&self, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        let start = self.start.as_ptr();
        self.region.run(|| access(start))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.region.fault().is_none() {
            detach(self.start);
            return;
        }
        // The guard has put pages of its own there, which shmdt does not know.
        // SAFETY: exactly what the guard has mapped, and no borrow of it can be left.
        if let Err(error) = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.mapped) } {
            tracing::error!(%error, mapped = self.mapped, "cannot unmap memory");
        }
    }
}

fn wish(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
    }
}

/// What went wrong in `shmat` at an address.
fn taken(segment: Segment, address: usize, source: io::Error) -> SysvError {
    // EINVAL is also said of an id that there is not.
    if source.raw_os_error() == Some(libc::EINVAL) && !matches!(segment.stat(), Err(SysvError::NoId { .. })) {
        return SysvError::Taken { id: segment.id(), address, source };
    }
    error::on_id(segment.id(), "attach", source)
}

/// `shmat`. With `SHM_REMAP` in `flags` the caller owns all that is mapped where the segment goes.
fn attach(
    segment: Segment,
    address: *const libc::c_void,
    access: Access,
    flags: libc::c_int,
) -> io::Result<NonNull<u8>> {
    let flags = flags | if access == Access::Read { libc::SHM_RDONLY } else { 0 };
    // SAFETY: without SHM_REMAP the kernel maps nothing over what exists; with it, over what the caller owns.
    let start = unsafe { libc::shmat(segment.id(), address, flags) };
    // The error is a pointer of all ones.
    if start.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast::<u8>()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn detach(start: NonNull<u8>) {
    // SAFETY: attached by `attach`, detached once, and no borrow of it can be left.
    if unsafe { libc::shmdt(start.as_ptr().cast()) } < 0 {
        tracing::error!(error = %io::Error::last_os_error(), "cannot detach a System V segment");
    }
}

/// The size of the pages at `address`: huge ones can only be replaced as a whole. `shmctl` does not say.
fn page_size(address: usize) -> usize {
    let page = rustix::param::page_size();
    // Huge pages are where multiples of their size are, and reading smaps takes long.
    if !address.is_multiple_of(smallest_huge_page()) {
        return page;
    }
    let Ok(smaps) = std::fs::read_to_string("/proc/self/smaps") else { return page };
    let start = format!("{address:x}-");
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
    let found = lines.find_map(|line| line.strip_prefix("KernelPageSize:"));
    let kilobytes = found.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    kilobytes.and_then(|count| count.checked_mul(1024)).filter(|size| *size >= page).unwrap_or(page)
}

/// The smallest of the huge pages that this system knows, in bytes; 1 if it does not say.
fn smallest_huge_page() -> usize {
    let Ok(entries) = std::fs::read_dir("/sys/kernel/mm/hugepages") else { return 1 };
    let sizes = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<usize>().ok()?.checked_mul(1024)
    });
    sizes.min().filter(|size| *size > 0).unwrap_or(1)
}

impl Attachment {
    /// The segment.
    pub fn segment(&self) -> Segment {
        self.0.segment
    }
}

// SAFETY: attached readable and writable as long as the value lives; `run` gives its address. Nobody in this crate makes
// references into it.
unsafe impl Shared for Attachment {
    fn start(&self) -> NonNull<u8> {
        self.0.start
    }

    fn len(&self) -> usize {
        self.0.len
    }

    /// A segment never changes its size. Of one of huge pages, pages can be taken by whoever punches a hole into it
    /// (`MADV_REMOVE`) when there are no others.
    fn can_shrink(&self) -> bool {
        self.0.huge
    }

    fn run<R>(&self, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        self.0.run(access)
    }
}

impl ReadAttachment {
    /// The segment.
    pub fn segment(&self) -> Segment {
        self.0.segment
    }

    /// Its first byte's address.
    pub fn address(&self) -> usize {
        self.0.start.addr().get()
    }

    /// The size of the segment in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Runs `access` on the first byte's address, under the [guard]. Raw reads only: others write
    /// it.
    ///
    /// # Errors
    ///
    /// [`Fault`] if a page was gone.
    pub fn run<R>(&self, access: impl FnOnce(*const u8) -> R) -> Result<R, Fault> {
        self.0.run(|start| access(start.cast_const()))
    }

    /// Copies the bytes from `offset` on into `dst`, filling it.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub fn read_at(&self, offset: usize, dst: &mut [u8]) -> Result<(), AccessError> {
        within(self.len(), offset, dst.len())?;
        // SAFETY: within the memory; `dst` is a reference, so it is not in shared memory.
        let copied = self.run(|start| unsafe {
            ptr::copy_nonoverlapping(start.add(offset), dst.as_mut_ptr(), dst.len());
        });
        copied.map_err(|Fault { offset }| AccessError::Fault { offset })
    }
}

#[cfg(test)]
#[cfg(not(miri))] // system calls
mod tests {
    use super::*;
    use crate::sysv::{Create, Key, OwnedSegment};

    fn segment(size: usize) -> OwnedSegment {
        Segment::create(Key::PRIVATE, &Create::new(size as u64)).unwrap().remove_on_drop()
    }

    #[test]
    fn what_is_written_through_one_attachment_is_read_through_another() {
        let segment = segment(5000);
        let (first, second) = (segment.attach().unwrap(), segment.attach_read_only(Place::Anywhere).unwrap());
        assert_eq!((first.len(), second.len()), (5000, 5000));
        first.write_at(4995, b"hello").unwrap();
        assert!(first.write_at(4996, b"hello").is_err());
        let mut read = [0; 5];
        second.read_at(4995, &mut read).unwrap();
        assert_eq!(&read, b"hello");
        assert!(second.read_at(4996, &mut read).is_err());
        assert_eq!(segment.stat().unwrap().attached, 2);
        drop((first, second));
        assert_eq!(segment.stat().unwrap().attached, 0);
    }

    #[test]
    fn an_address_that_is_taken_is_refused() {
        let page = lba();
        let segment = segment(page);
        let reservation = Reservation::new(3 * page).unwrap();
        let start = reservation.address();
        for place in [Place::At(start), Place::Near(start + 100)] {
            let error = segment.attach_at(place).unwrap_err();
            assert!(matches!(error, SysvError::Taken { address, .. } if address == start), "{error:?}");
        }
        for place in [Place::At(start + 1), Place::At(0), Place::Near(page - 1)] {
            let error = segment.attach_at(place).unwrap_err();
            assert!(matches!(error, SysvError::Unaligned { .. }), "{error:?}");
        }
        drop(reservation);
        let at = segment.attach_at(Place::At(start)).unwrap();
        assert_eq!(at.start().addr().get(), start);
        let near = segment.attach_at(Place::Near(start + page + 100)).unwrap();
        assert_eq!(near.start().addr().get(), start + page);
    }

    #[test]
    fn a_reservation_is_replaced_and_given_back() {
        let page = lba();
        let segment = segment(page + 1);
        let small = Reservation::new(page).unwrap();
        let error = segment.attach_at(Place::Over(small)).unwrap_err();
        let needed = 2 * page;
        assert!(
            matches!(error, SysvError::Reserved { reserved, needed: n, .. } if (reserved, n) == (page, needed))
        );
        let reservation = Reservation::new(3 * page).unwrap();
        let start = reservation.address();
        let memory = segment.attach_at(Place::Over(reservation)).unwrap();
        assert_eq!(memory.start().addr().get(), start);
        memory.write_at(page, b"!").unwrap();
        assert_eq!(segment.stat().unwrap().attached, 1);
        // What is left of the reservation is still taken, ...
        let error = self::segment(page).attach_at(Place::At(start + 2 * page)).unwrap_err();
        assert!(matches!(error, SysvError::Taken { .. }), "{error:?}");
        drop(memory);
        // ... and all of it free in the end.
        segment.attach_at(Place::At(start)).unwrap();
        self::segment(page).attach_at(Place::At(start + 2 * page)).unwrap();
        assert_eq!(segment.stat().unwrap().attached, 0);
    }

    #[test]
    fn a_caught_fault_is_cleaned_up() {
        let segment = segment(lba());
        let memory = segment.attach().unwrap();
        let start = memory.start();
        // What the guard does when a page is gone, which a segment's never are by fair means.
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        // SAFETY: over the attachment alone, as the guard would.
        unsafe { rustix::mm::mmap_anonymous(start.as_ptr().cast(), lba(), ProtFlags::READ, flags) }.unwrap();
        memory.0.region.poison_for_test();
        drop(memory);
        assert_eq!(segment.stat().unwrap().attached, 0);
        let again = segment.attach_at(Place::At(start.addr().get())).unwrap();
        assert_eq!(again.start(), start);
    }
}
