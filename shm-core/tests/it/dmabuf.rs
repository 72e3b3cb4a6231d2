//! dma-bufs of the kernel's own making: from memfds and from heaps.
//!
//! Where there is no such device these tests say so; with `SELKIE_REQUIRE_DMABUF=1` that is a failure.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{MemfdFlags, OFlags, memfd_create};
use rustix::io::Errno;
use shm_core::dma_heap::{DmaHeap, DmaHeapError};
use shm_core::dmabuf::{Access, DmaBuf, DmaBufError, is_signalled};
use shm_core::seals::{SealError, Seals};
use shm_core::udmabuf::{Refusal, Udmabuf, UdmabufError, check};
use shm_core::verdict::Kind;

use crate::kinds::reopen;
use crate::peer::Peer;
use crate::{memory, page, skip};

/// Whether dma-bufs must be had here.
pub fn required() -> bool {
    std::env::var_os("SELKIE_REQUIRE_DMABUF").is_some_and(|value| value == "1")
}

/// What this machine may have, or why the test is skipped. Where everything must be there that is a failure.
pub fn had<T, E: std::error::Error>(test: &str, asked: Result<T, E>) -> Option<T> {
    asked
        .inspect_err(|error| {
            assert!(!required(), "{error}");
            skip(test, error);
        })
        .ok()
}

/// The device, unless this machine has none.
pub fn udmabuf(test: &str) -> Option<Udmabuf> {
    had(test, Udmabuf::open())
}

/// The heap of ordinary pages, unless this machine has none.
pub fn heap(test: &str) -> Option<DmaHeap> {
    had(test, DmaHeap::open("system"))
}

/// The open files of this process that are dma-bufs.
fn open_dma_bufs() -> usize {
    let links = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().read_link().ok());
    links.filter(|link| link.starts_with("/dmabuf:")).count()
}

#[test]
fn a_dmabuf_shows_the_pages_of_its_memfd() {
    let Some(device) = udmabuf("udmabuf") else { return };
    let page = page();
    let memfd = memory(4 * page, Seals::SHRINK | Seals::GROW | Seals::SEAL);
    rustix::io::pwrite(&memfd, b"selkie", page as u64 + 5).unwrap();
    let buffer = device.create(&memfd, page as u64, 2 * page as u64).unwrap();
    assert_eq!((buffer.exporter(), buffer.size()), ("udmabuf", 2 * page as u64));
    assert!(rustix::io::fcntl_getfd(&buffer).unwrap().contains(rustix::io::FdFlags::CLOEXEC));

    // What a stranger who gets the fd finds out.
    let found = DmaBuf::new(buffer.try_clone().unwrap().fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!((found.exporter(), found.size()), ("udmabuf", 2 * page as u64));

    let mapping = found.map().unwrap();
    assert_eq!(mapping.len(), 2 * page);
    let mut copy = [0; 6];
    mapping.copy_to(5, &mut copy).unwrap();
    assert_eq!(&copy, b"selkie");
    let mut writable = buffer.map_mut().unwrap();
    writable.write_at(2 * page - 3, b"end").unwrap();
    let drawn = writable.turn(|turn| {
        (0..3).try_for_each(|y| turn.write_at(100 + 10 * y, &[y as u8 + 1; 2]))?;
        turn.write_at(2 * page - 1, b"xy")
    });
    assert!(matches!(drawn.unwrap().unwrap_err(), DmaBufError::OutOfBounds { .. }));
    let mut written = [0; 3];
    rustix::io::pread(&memfd, &mut written, 3 * page as u64 - 3).unwrap();
    assert_eq!(&written, b"end");
    let mut rows = [9; 24];
    mapping.copy_to(99, &mut rows).unwrap();
    assert_eq!(rows, [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 0]);
}

#[test]
fn a_range_outside_of_a_dmabuf_is_not_touched() {
    let Some(device) = udmabuf("ranges of a dma-buf") else { return };
    let page = page();
    let buffer = device.create(&memory(page, Seals::SHRINK), 0, page as u64).unwrap();
    let mut mapping = buffer.map_mut().unwrap();
    #[expect(clippy::reversed_empty_ranges, reason = "on purpose")]
    for range in [0..page + 1, page + 1..page + 1, 5..4, usize::MAX - 1..usize::MAX] {
        let error = mapping.write(range.clone(), |_, _| panic!("must not be called")).unwrap_err();
        let (start, end) = (range.start, range.end);
        assert!(
            matches!(error, DmaBufError::OutOfBounds { start: s, end: e, len } if (s, e, len) == (start, end, page)),
            "{error:?}"
        );
    }
    assert_eq!(mapping.as_read().read(page..page, |_, count| count).unwrap(), 0);
}

#[test]
fn a_dmabuf_wants_shrink_and_no_write_seal() {
    let Some(device) = udmabuf("seals for udmabuf") else { return };
    let size = page() as u64;
    let open = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
    for bits in (0..=open.bits()).filter(|bits| bits & !open.bits() == 0) {
        let seals = Seals::from_bits_retain(bits);
        let memfd = memory(page(), seals);
        let made = device.create(&memfd, 0, size);
        let expected = if !seals.contains(Seals::SHRINK) {
            "add F_SEAL_SHRINK"
        } else if seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
            "leave out F_SEAL_WRITE and F_SEAL_FUTURE_WRITE"
        } else {
            made.unwrap();
            continue;
        };
        let error = made.unwrap_err().to_string();
        assert!(error.ends_with(expected), "{seals}: {error}");
        assert!(kernel_refuses(&memfd, 0, size), "{seals}");
    }
}

/// What the kernel itself says, so that no rule of ours is stricter than it.
fn kernel_refuses(memfd: &OwnedFd, offset: u64, size: u64) -> bool {
    #[repr(C)]
    struct Create(u32, u32, u64, u64);
    let device = std::fs::File::options().read(true).write(true).open("/dev/udmabuf").unwrap();
    let create = Create(memfd.as_raw_fd().cast_unsigned(), 1, offset, size);
    // SAFETY: the argument is what UDMABUF_CREATE takes; it is expected to fail.
    let made = unsafe { libc::ioctl(device.as_raw_fd(), 0x4018_7542, &raw const create) };
    made < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL)
}

#[test]
fn a_dmabuf_has_whole_pages_of_its_file() {
    let Some(device) = udmabuf("alignment for udmabuf") else { return };
    let page = page() as u64;
    let memfd = memory(4 * page as usize, Seals::SHRINK);
    for (offset, size) in
        [(0, 0), (1, page), (page / 2, page), (0, page + 1), (page, 4 * page), (4 * page, page)]
    {
        let why = match device.create(&memfd, offset, size) {
            Err(UdmabufError::Refused { part: 0, why }) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(check(memfd.as_fd(), offset, size), Err(why));
        assert!(kernel_refuses(&memfd, offset, size), "{offset} {size}");
    }
    let not_sealable = memfd_create("selkie-test", MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&not_sealable, page).unwrap();
    assert!(matches!(check(not_sealable.as_fd(), 0, page), Err(Refusal::ShrinkMissing { .. })));
    assert!(kernel_refuses(&not_sealable, 0, page));
    let limit = std::fs::read_to_string("/sys/module/udmabuf/parameters/size_limit_mb").unwrap();
    let limit = limit.trim().parse::<u64>().unwrap() << 20;
    let large = memory(limit as usize + page as usize, Seals::SHRINK);
    let error = device.create(&large, 0, limit + page).unwrap_err();
    assert!(
        matches!(error, UdmabufError::Refused { why: Refusal::TooLarge { limit: l, .. }, .. } if l == limit),
        "{error:?}"
    );
    assert!(kernel_refuses(&large, 0, limit + page));
}

#[test]
fn a_dmabuf_holds_its_memfd_as_it_is() {
    let Some(device) = udmabuf("the memfd below a udmabuf") else { return };
    let page = page() as u64;
    let memfd = memory(2 * page as usize, Seals::SHRINK);
    let buffer = device.create(&reopen(memfd.as_fd(), OFlags::RDONLY), 0, page).unwrap();
    buffer.map_mut().unwrap().write_at(0, b"written through a read-only memfd").unwrap();
    assert_eq!(rustix::fs::ftruncate(&memfd, page).unwrap_err(), Errno::PERM);
    let busy = Seals::add(&memfd, Seals::WRITE).unwrap_err();
    assert!(
        matches!(&busy, SealError::Add { source, .. } if source.raw_os_error() == Some(libc::EBUSY)),
        "{busy:?}"
    );
    // A hole gives the file new pages, and leaves the dma-buf the old ones.
    use rustix::fs::FallocateFlags as F;
    rustix::fs::fallocate(&memfd, F::PUNCH_HOLE | F::KEEP_SIZE, 0, page).unwrap();
    let (mut file, mut dma_buf) = ([1; 7], [0; 7]);
    rustix::io::pread(&memfd, &mut file, 0).unwrap();
    buffer.map().unwrap().copy_to(0, &mut dma_buf).unwrap();
    assert_eq!((&file, &dma_buf), (&[0; 7], b"written"));
    drop(buffer);
    Seals::add(&memfd, Seals::WRITE).unwrap();
}

#[test]
fn a_dmabuf_of_parts_has_them_one_behind_the_other() {
    let Some(device) = udmabuf("lists of parts") else { return };
    let page = page() as u64;
    let (first, second) = (memory(2 * page as usize, Seals::SHRINK), memory(page as usize, Seals::SHRINK));
    rustix::io::pwrite(&first, b"1", page).unwrap();
    rustix::io::pwrite(&second, b"2", 0).unwrap();
    let buffer = device.create_list(&[
        (first.as_fd(), page, page),
        (second.as_fd(), 0, page),
        (first.as_fd(), 0, page),
    ]);
    let buffer = buffer.unwrap();
    assert_eq!(buffer.size(), 3 * page);
    let mut copy = vec![0; 3 * page as usize];
    buffer.map().unwrap().copy_to(0, &mut copy).unwrap();
    assert_eq!((copy[0], copy[page as usize], copy[2 * page as usize]), (b'1', b'2', 0));
    let error = device.create_list(&[(first.as_fd(), 0, page), (second.as_fd(), 1, page)]).unwrap_err();
    assert!(
        matches!(error, UdmabufError::Refused { part: 1, why: Refusal::Offset { offset: 1, .. } }),
        "{error:?}"
    );
    let limit = std::fs::read_to_string("/sys/module/udmabuf/parameters/list_limit").unwrap();
    let many = vec![(second.as_fd(), 0, page); limit.trim().parse::<usize>().unwrap() + 1];
    let error = device.create_list(&many).unwrap_err();
    assert!(matches!(error, UdmabufError::Refused { why: Refusal::TooMany { .. }, .. }), "{error:?}");
    assert!(matches!(device.create_list(&[]).unwrap_err(), UdmabufError::Create { parts: 0, .. }));
}

#[test]
fn a_dmabuf_from_a_heap() {
    let Some(heap) = heap("dma-heap") else { return };
    assert!(DmaHeap::list().contains(&"system".to_owned()));
    let buffer = heap.allocate(5000).unwrap();
    assert_eq!((buffer.exporter(), buffer.size()), ("system", 5000_u64.next_multiple_of(page() as u64)));
    let found = DmaBuf::new(buffer.fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!((found.exporter(), found.size()), (buffer.exporter(), buffer.size()));
    buffer.map_mut().unwrap().write_at(4000, b"heap").unwrap();
    let mut copy = [1; 5];
    found.map().unwrap().copy_to(3999, &mut copy).unwrap();
    assert_eq!(&copy, b"\0heap");
    assert!(matches!(heap.allocate(0).unwrap_err(), DmaHeapError::Allocate { len: 0, .. }));
    let error = DmaHeap::open("nothing").unwrap_err().to_string();
    assert!(error.starts_with("no dma-heap `nothing`; this machine has: "), "{error}");
}

#[test]
fn an_idle_dmabuf_says_so_and_its_fences_have_signalled() {
    let Some(heap) = heap("fences") else { return };
    let (buffer, other) = (heap.allocate(4096).unwrap(), heap.allocate(4096).unwrap());
    for access in [Access::Read, Access::Write, Access::ReadWrite] {
        assert!(buffer.is_idle(access).unwrap());
        let fence = buffer.export_sync_file(access).unwrap();
        assert!(rustix::io::fcntl_getfd(&fence).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        assert!(is_signalled(fence.as_fd()).unwrap());
        other.import_sync_file(fence.as_fd(), access).unwrap();
        assert!(other.is_idle(access).unwrap());
        let error = other.import_sync_file(buffer.fd(), access).unwrap_err();
        assert!(
            matches!(&error, DmaBufError::Import { source, .. } if source.raw_os_error() == Some(libc::EINVAL)),
            "{error:?}"
        );
    }
}

#[test]
fn a_dmabuf_that_is_given_up_leaves_no_descriptor() {
    let Some(device) = udmabuf("descriptors") else { return };
    let (memfd, before) = (memory(page(), Seals::SHRINK), open_dma_bufs());
    // Other tests of this process may have some of theirs open, so only a leak of many is seen.
    for _ in 0..200 {
        let buffer = device.create(&memfd, 0, page() as u64).unwrap();
        let mapping = buffer.map().unwrap();
        let copy = buffer.try_clone().unwrap();
        drop(buffer);
        drop(copy);
        mapping.copy_to(0, &mut [0; 8]).unwrap();
    }
    assert!(open_dma_bufs() < before + 100);
}

#[test]
fn a_dmabuf_of_a_peer_is_one_however_it_is_named() {
    let Some(heap) = heap("names of dma-bufs") else { return };
    let buffer = heap.allocate(4096).unwrap();
    // DMA_BUF_SET_NAME: a name that looks like another line of fdinfo.
    let name = c"x\nexp_name:\ty\nmnt_id:\t1";
    // SAFETY: a C string that lives through the call.
    let named = unsafe { libc::ioctl(buffer.fd().as_raw_fd(), 0x4008_6201, name.as_ptr()) };
    assert_eq!(named, 0, "{}", std::io::Error::last_os_error());
    let found = DmaBuf::new(buffer.fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(found.exporter(), "system");
}

#[test]
fn what_is_no_dmabuf_is_refused_by_its_name() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let fds: [(OwnedFd, Kind); 4] = [
        (reader.into(), Kind::Pipe),
        (memory(page(), Seals::SHRINK), Kind::Memfd),
        (std::fs::File::open("/dev/null").unwrap().into(), Kind::CharDevice),
        (reopen(memory(page(), Seals::SHRINK), OFlags::PATH), Kind::Other),
    ];
    for (fd, kind) in fds {
        match DmaBuf::new(fd) {
            Err(DmaBufError::Other { kind: found }) => assert_eq!(found, kind),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        DmaBufError::Other { kind: Kind::Memfd }.to_string(),
        "not a dma-buf but a memfd: pass an fd that a driver has exported (GBM, DRM PRIME, udmabuf, a dma-heap)"
    );
}

#[test]
fn a_peer_draws_in_a_dmabuf_and_we_see_it() {
    let Some(device) = udmabuf("a dma-buf of a peer") else { return };
    let peer = Peer::start();
    let memfd = memory(page(), Seals::SHRINK);
    let buffer = device.create(&memfd, 0, page() as u64).unwrap();
    let mapping = buffer.map().unwrap();
    peer.ask(&memfd, "write 50 hello").unwrap();
    let mut copy = [0; 5];
    mapping.copy_to(50, &mut copy).unwrap();
    assert_eq!(&copy, b"hello");
}
