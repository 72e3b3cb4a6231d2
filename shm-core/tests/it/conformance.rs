//! What all four mechanisms have to do, each test run with each of them; and where they differ, how.
//!
//! Those that make dma-bufs run where there are any.

pub mod other;

use std::io::ErrorKind;

use shm_core::dma_heap::DmaHeap;
use shm_core::mechanism::{
    Created, DmaBufs, Leftover, Mechanism, MechanismError, Memfd, Posix, Sysv, Ticket,
};
use shm_core::ring::{Consumer, Geometry, OpenError, RingError, Side};
use shm_core::shared::{AccessError, Shared};

use crate::{dmabuf, page, skip};
use other::Other;

pub use other::{ROLE, serve};

/// A mechanism, and in what it differs from others.
trait Kind {
    type Mechanism: Mechanism;
    /// What [`Other`] calls it for creating, and for opening.
    const WORDS: (&'static str, &'static str);
    /// What its sizes are a multiple of, in bytes.
    fn granule() -> usize {
        1
    }
    /// Whether it is still found when what it leaves behind has been removed, as long as somebody has it.
    const FOUND_WHEN_REMOVED: bool;
    /// What a size that no machine has gives.
    const TOO_LARGE: ErrorKind;
    /// What creates it so that any user may open it.
    const FOR_ALL: Option<&'static str>;
    /// `None`, and a line that says why, if this machine has none.
    fn get(test: &str) -> Option<Self::Mechanism>;
}

struct SysvKind;
struct PosixKind;
struct MemfdKind;
struct HeapKind;
struct UdmabufKind;

impl Kind for SysvKind {
    type Mechanism = Sysv;
    const WORDS: (&'static str, &'static str) = ("sysv", "sysv");
    const FOUND_WHEN_REMOVED: bool = true;
    const TOO_LARGE: ErrorKind = ErrorKind::InvalidInput;
    const FOR_ALL: Option<&'static str> = Some("sysv-for-all");
    fn get(_: &str) -> Option<Sysv> {
        Some(Sysv::default())
    }
}

impl Kind for PosixKind {
    type Mechanism = Posix;
    const WORDS: (&'static str, &'static str) = ("posix", "posix");
    const FOUND_WHEN_REMOVED: bool = false;
    const TOO_LARGE: ErrorKind = ErrorKind::InvalidInput;
    const FOR_ALL: Option<&'static str> = Some("posix-for-all");
    fn get(_: &str) -> Option<Posix> {
        Some(Posix::default())
    }
}

impl Kind for MemfdKind {
    type Mechanism = Memfd;
    const WORDS: (&'static str, &'static str) = ("memfd", "memfd");
    const FOUND_WHEN_REMOVED: bool = true;
    const TOO_LARGE: ErrorKind = ErrorKind::InvalidInput;
    const FOR_ALL: Option<&'static str> = None;
    fn get(_: &str) -> Option<Memfd> {
        Some(Memfd)
    }
}

impl Kind for HeapKind {
    type Mechanism = DmaBufs;
    const WORDS: (&'static str, &'static str) = ("heap", "dmabuf");
    fn granule() -> usize {
        page()
    }
    const FOUND_WHEN_REMOVED: bool = true;
    const TOO_LARGE: ErrorKind = ErrorKind::StorageFull;
    const FOR_ALL: Option<&'static str> = None;
    fn get(test: &str) -> Option<DmaBufs> {
        dmabuf::heap(test).map(DmaBufs::of_heap)
    }
}

impl Kind for UdmabufKind {
    type Mechanism = DmaBufs;
    const WORDS: (&'static str, &'static str) = ("udmabuf", "dmabuf");
    fn granule() -> usize {
        page()
    }
    const FOUND_WHEN_REMOVED: bool = true;
    const TOO_LARGE: ErrorKind = ErrorKind::InvalidInput;
    const FOR_ALL: Option<&'static str> = None;
    fn get(test: &str) -> Option<DmaBufs> {
        dmabuf::udmabuf(test).map(DmaBufs::of_memfds)
    }
}

/// Runs every test with every mechanism.
macro_rules! conformance {
    ($($module:ident: $kind:ty;)* => $tests:tt) => {
        $(mod $module {
            #[allow(unused_imports, reason = "the type is in the module above")]
            use super::*;
            conformance!(@tests $kind, $tests);
        })*
    };
    (@tests $kind:ty, { $($test:ident)* }) => {
        $(#[test]
        fn $test() {
            if let Some(mechanism) = <$kind as Kind>::get(stringify!($test)) {
                super::$test::<$kind>(&mechanism);
            }
        })*
    };
}

conformance! {
    sysv: SysvKind;
    posix: PosixKind;
    memfd: MemfdKind;
    dmabuf_of_a_heap: HeapKind;
    dmabuf_of_memfds: UdmabufKind;
    => {
        it_is_as_large_as_asked_and_zero
        what_one_writes_the_other_reads
        no_size_is_an_error
        a_size_beyond_all_limits_is_an_error
        one_that_is_smaller_than_expected_is_refused
        another_user_is_kept_out
        another_user_is_let_in_where_the_mode_says_so
        what_a_killed_creator_leaves
        a_creator_that_ends_leaves_nothing
        who_has_it_keeps_it_when_it_is_removed
        the_last_user_takes_it_along
        a_forked_child_removes_nothing
        only_what_says_so_can_shrink
        what_is_not_there_is_not_found
        a_ticket_of_another_kind_is_refused
        many_can_be_had_at_once
        frames_go_through_a_ring_in_it
    }
}

/// Creates some of it here.
fn create<K: Kind>(mechanism: &K::Mechanism, size: usize) -> Created<<K::Mechanism as Mechanism>::Memory> {
    mechanism.create(size as u64).unwrap()
}

fn read(memory: &impl Shared, offset: usize, count: usize) -> String {
    let mut bytes = vec![0; count];
    memory.read_at(offset, &mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Has another process open it.
fn open_there<K: Kind>(other: &mut Other, ticket: &Ticket, size: usize) -> Result<usize, (String, String)> {
    Ok(other.ask(&format!("open {} {ticket} {size}", K::WORDS.1))?.parse().unwrap())
}

/// Another process, and what it has created.
fn created_there<K: Kind>(size: usize) -> (Other, Ticket) {
    let mut other = Other::start();
    let ticket = other.tell(&format!("create {} {size}", K::WORDS.0)).parse().unwrap();
    (other, ticket)
}

/// The kind of the error of a mechanism.
fn kind<M: std::fmt::Debug>(result: Result<M, MechanismError>) -> ErrorKind {
    result.expect_err("this should have failed").kind()
}

fn it_is_as_large_as_asked_and_zero<K: Kind>(mechanism: &K::Mechanism) {
    let page = page();
    for size in [1, page - 1, page, page + 1, 3 * page + 7, 5 << 20] {
        let Created { memory, ticket, leftover: _leftover } = create::<K>(mechanism, size);
        let len = size.next_multiple_of(K::granule());
        assert_eq!(memory.len(), len);
        assert!(memory.start().addr().get().is_multiple_of(page));
        let mut bytes = vec![1; len];
        memory.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0), "{size}");
        memory.write_at(len - 1, b"!").unwrap();
        let beyond = Err(AccessError::OutOfBounds { offset: len, count: 1, len });
        assert_eq!(memory.write_at(len, b"!"), beyond);
        assert_eq!(memory.read_at(len, &mut [0]), beyond);
        let again = mechanism.open(&ticket, 0).unwrap();
        assert_eq!((again.len(), read(&again, len - 1, 1)), (len, "!".to_owned()));
    }
}

fn what_one_writes_the_other_reads<K: Kind>(mechanism: &K::Mechanism) {
    let size = 2 * page();
    // Created here.
    let Created { memory, ticket, leftover: _leftover } = create::<K>(mechanism, size);
    memory.write_at(page() - 2, b"hello").unwrap();
    let mut other = Other::start();
    assert_eq!(open_there::<K>(&mut other, &ticket, size), Ok(size));
    assert_eq!(other.tell(&format!("read {} 5", page() - 2)), "hello");
    other.tell("write 100 from-the-other");
    assert_eq!(read(&memory, 100, 14), "from-the-other");
    memory.write_at(100, b"back").unwrap();
    assert_eq!(other.tell("read 100 14"), "back-the-other");
    // Created there.
    let (mut other, ticket) = created_there::<K>(size);
    other.tell("write 0 hello");
    let memory = mechanism.open(&ticket, size as u64).unwrap();
    assert_eq!(read(&memory, 0, 5), "hello");
    memory.write_at(size - 4, b"here").unwrap();
    assert_eq!(other.tell(&format!("read {} 4", size - 4)), "here");
    // Rather than be killed, and leave it behind.
    assert!(other.end().success());
}

fn no_size_is_an_error<K: Kind>(mechanism: &K::Mechanism) {
    assert_eq!(kind(mechanism.create(0).map(|created| created.ticket)), ErrorKind::InvalidInput);
}

fn a_size_beyond_all_limits_is_an_error<K: Kind>(mechanism: &K::Mechanism) {
    for size in [u64::MAX, u64::MAX - page() as u64] {
        assert_eq!(kind(mechanism.create(size).map(|created| created.ticket)), K::TOO_LARGE, "{size}");
    }
}

fn one_that_is_smaller_than_expected_is_refused<K: Kind>(mechanism: &K::Mechanism) {
    let size = page();
    let Created { ticket, memory: _memory, leftover: _leftover } = create::<K>(mechanism, size);
    let mut other = Other::start();
    for (asked, expected) in [(0, size), (1, size), (size, size)] {
        assert_eq!(open_there::<K>(&mut other, &ticket, asked), Ok(expected));
    }
    let (kind, sentence) = open_there::<K>(&mut other, &ticket, size + 1).unwrap_err();
    let expected =
        format!("the memory has {size} bytes, and {} were asked for: do both sides mean the same?", size + 1);
    assert_eq!((kind.as_str(), sentence), ("InvalidInput", expected));
}

/// Whether there can be another user here.
pub fn root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(test, "only root can become another user");
    }
    root
}

pub const NOBODY: u32 = 65534;

fn another_user_is_kept_out<K: Kind>(mechanism: &K::Mechanism) {
    if !root("another_user_is_kept_out") {
        return;
    }
    let Created { ticket, memory: _memory, leftover: _leftover } = create::<K>(mechanism, page());
    let mut other = Other::start();
    assert_eq!(open_there::<K>(&mut other, &ticket, 0), Ok(page()));
    other.tell("close");
    other.tell(&format!("uid {NOBODY}"));
    let (kind, sentence) = open_there::<K>(&mut other, &ticket, 0).unwrap_err();
    assert_eq!(kind, "PermissionDenied", "{sentence}");
}

fn another_user_is_let_in_where_the_mode_says_so<K: Kind>(mechanism: &K::Mechanism) {
    let Some(word) = K::FOR_ALL else {
        return skip(K::Mechanism::NAME, "has no mode; another user has to be passed the fd");
    };
    if !root("another_user_is_let_in_where_the_mode_says_so") {
        return;
    }
    // A process of its own, for its umask.
    let mut creator = Other::start();
    creator.tell("umask");
    let ticket: Ticket = creator.tell(&format!("create {word} {}", page())).parse().unwrap();
    let mut other = Other::start();
    other.tell(&format!("uid {NOBODY}"));
    assert_eq!(open_there::<K>(&mut other, &ticket, 0), Ok(page()));
    other.tell("write 0 nobody");
    assert_eq!(read(&mechanism.open(&ticket, 0).unwrap(), 0, 6), "nobody");
    // Let in, but not to remove it: that is for its owner.
    assert!(creator.ask("remove").is_ok());
}

fn what_a_killed_creator_leaves<K: Kind>(mechanism: &K::Mechanism) {
    let (mut creator, ticket) = created_there::<K>(page());
    creator.tell("write 0 hello");
    let ours = mechanism.open(&ticket, 0).unwrap();
    creator.kill();
    // Who has it keeps it.
    assert_eq!(read(&ours, 0, 5), "hello");
    ours.write_at(0, b"still").unwrap();
    let again = mechanism.open(&ticket, 0);
    if !K::Mechanism::PERSISTS {
        assert_eq!(kind(again.map(|memory| memory.len())), ErrorKind::NotFound);
        return;
    }
    drop((ours, again.unwrap()));
    // Nobody has it, and it is there all the same: the leak.
    assert_eq!(read(&mechanism.open(&ticket, 0).unwrap(), 0, 5), "still");
    remove(&ticket);
    assert_eq!(kind(mechanism.open(&ticket, 0).map(|memory| memory.len())), ErrorKind::NotFound);
}

/// As anybody does who cleans up.
fn remove(ticket: &Ticket) {
    match ticket {
        Ticket::SysvId(id) => shm_core::sysv::Segment::from_id(*id).remove().unwrap(),
        Ticket::Posix(name) => shm_core::posix::unlink(name).unwrap(),
        other => panic!("{other} cannot be removed"),
    }
}

fn a_creator_that_ends_leaves_nothing<K: Kind>(mechanism: &K::Mechanism) {
    let (creator, ticket) = created_there::<K>(page());
    assert!(creator.end().success());
    assert_eq!(kind(mechanism.open(&ticket, 0).map(|memory| memory.len())), ErrorKind::NotFound);
}

fn who_has_it_keeps_it_when_it_is_removed<K: Kind>(mechanism: &K::Mechanism) {
    let (mut creator, ticket) = created_there::<K>(page());
    let ours = mechanism.open(&ticket, 0).unwrap();
    creator.tell("remove");
    creator.tell("write 0 hello");
    assert_eq!(read(&ours, 0, 5), "hello");
    let again = mechanism.open(&ticket, 0);
    if K::FOUND_WHEN_REMOVED {
        assert_eq!(read(&again.unwrap(), 0, 5), "hello");
    } else {
        assert_eq!(kind(again.map(|memory| memory.len())), ErrorKind::NotFound);
    }
    // And so nothing is left when the creator is killed now.
    creator.kill();
    assert_eq!(read(&ours, 0, 5), "hello");
    drop(ours);
    assert_eq!(kind(mechanism.open(&ticket, 0).map(|memory| memory.len())), ErrorKind::NotFound);
}

fn the_last_user_takes_it_along<K: Kind>(mechanism: &K::Mechanism) {
    let (mut creator, ticket) = created_there::<K>(page());
    let ours = mechanism.open(&ticket, 0).unwrap();
    creator.tell("remove");
    creator.tell("close");
    // Without the creator's fd nobody finds the memory by it, and System V has an id as long as anybody has the segment.
    let by_id = matches!(ticket, Ticket::SysvId(_));
    assert_eq!(mechanism.open(&ticket, 0).is_ok(), by_id);
    assert!(ours.write_at(0, b"mine").is_ok());
    drop(ours);
    assert_eq!(kind(mechanism.open(&ticket, 0).map(|memory| memory.len())), ErrorKind::NotFound);
    assert!(creator.end().success());
}

fn a_forked_child_removes_nothing<K: Kind>(mechanism: &K::Mechanism) {
    let (mut creator, ticket) = created_there::<K>(page());
    creator.tell("write 0 hello");
    creator.tell("fork");
    assert_eq!(read(&mechanism.open(&ticket, 0).unwrap(), 0, 5), "hello");
    // A segment that is removed is found as long as somebody has it: now nobody has.
    if K::Mechanism::PERSISTS {
        creator.tell("close");
        assert_eq!(read(&mechanism.open(&ticket, 0).unwrap(), 0, 5), "hello");
    }
    assert!(creator.end().success());
    assert_eq!(kind(mechanism.open(&ticket, 0).map(|memory| memory.len())), ErrorKind::NotFound);
}

fn only_what_says_so_can_shrink<K: Kind>(mechanism: &K::Mechanism) {
    let Created { memory, ticket, leftover: _leftover } = create::<K>(mechanism, page());
    memory.write_at(9, b"hello").unwrap();
    let mut other = Other::start();
    let shrunk = other.ask(&format!("shrink {} {ticket}", K::WORDS.1));
    assert_eq!(shrunk.is_ok(), memory.can_shrink(), "{shrunk:?}");
    let read = memory.read_at(9, &mut [0]);
    if memory.can_shrink() {
        assert_eq!(read, Err(AccessError::Fault { offset: 9 }));
        assert_eq!(memory.write_at(0, b"!"), Err(AccessError::Fault { offset: 9 }));
    } else {
        assert_eq!(read, Ok(()));
    }
}

fn what_is_not_there_is_not_found<K: Kind>(mechanism: &K::Mechanism) {
    let Created { ticket, memory: _memory, leftover: _leftover } = create::<K>(mechanism, 1);
    let nobody = i32::MAX;
    let tickets: &[String] = &match ticket {
        Ticket::SysvId(_) => vec![format!("sysv:{nobody}"), "sysv:0x7e57dead".to_owned()],
        Ticket::Posix(_) => vec![format!("posix:/selkie-test-{}-none", std::process::id())],
        Ticket::Memfd(peer) => {
            vec![format!("memfd:/proc/{}/fd/{nobody}", peer.pid), format!("memfd:/proc/{nobody}/fd/1")]
        }
        Ticket::DmaBuf(peer) => {
            vec![format!("dmabuf:/proc/{}/fd/{nobody}", peer.pid), format!("dmabuf:/proc/{nobody}/fd/1")]
        }
        Ticket::SysvKey(_) => panic!("{ticket}"),
    };
    for text in tickets {
        let opened = mechanism.open(&text.parse().unwrap(), 0);
        assert_eq!(kind(opened.map(|memory| memory.len())), ErrorKind::NotFound, "{text}");
    }
}

fn a_ticket_of_another_kind_is_refused<K: Kind>(mechanism: &K::Mechanism) {
    let Created { ticket, memory: _memory, leftover: _leftover } = create::<K>(mechanism, 1);
    let own = std::mem::discriminant(&ticket);
    for text in ["sysv:1", "posix:/x", "memfd:/proc/1/fd/1", "dmabuf:/proc/1/fd/1"] {
        let ticket: Ticket = text.parse().unwrap();
        if std::mem::discriminant(&ticket) == own {
            continue;
        }
        let error = mechanism.open(&ticket, 0).map(|memory| memory.len()).unwrap_err();
        assert!(matches!(error, MechanismError::WrongTicket { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("`{text}` is not where {} memory is to be found", K::Mechanism::NAME)
        );
    }
}

fn many_can_be_had_at_once<K: Kind>(mechanism: &K::Mechanism) {
    let mut other = Other::start();
    let all: Vec<_> = (0..20).map(|_| create::<K>(mechanism, page())).collect();
    for (number, created) in all.iter().enumerate() {
        created.memory.write_at(0, format!("{number:02}").as_bytes()).unwrap();
    }
    for (number, created) in all.iter().enumerate() {
        assert_eq!(open_there::<K>(&mut other, &created.ticket, 0), Ok(page()));
        assert_eq!(other.tell("read 0 2"), format!("{number:02}"));
    }
    let leftovers: Vec<Leftover> = all.into_iter().map(|created| created.leftover).collect();
    for leftover in leftovers {
        leftover.remove().unwrap();
    }
}

/// Not by the name of a test alone: in the guest there is one of each.
#[test]
fn find_takes_the_dmabuf_source_that_is_there() {
    let Some(heap) = dmabuf::heap("DmaBufs::find") else {
        return assert_eq!(kind(DmaBufs::find().map(|_| ())), ErrorKind::NotFound);
    };
    assert_eq!(heap.name(), DmaHeap::open("system").unwrap().name());
    let created = DmaBufs::find().unwrap().create(1).unwrap();
    assert_eq!(created.memory.len(), page());
}

fn frames_go_through_a_ring_in_it<K: Kind>(mechanism: &K::Mechanism) {
    let geometry = Geometry { slots: 3, slot_size: page() as u64 };
    let whole = usize::try_from(geometry.memory_len().unwrap()).unwrap();
    let Created { memory, ticket, leftover: _leftover } = create::<K>(mechanism, whole);
    match Consumer::create(memory, geometry) {
        Ok(consumer) => receive_from_there::<K, _, _>(consumer, &ticket, "-"),
        // The words that the two wait for have to be elsewhere then.
        Err(OpenError::NoFutex) => {
            let (control, slots) = geometry.split_memory_len().unwrap();
            let control = Memfd.create(control).unwrap();
            let Created { memory, ticket, leftover: _leftover } =
                create::<K>(mechanism, usize::try_from(slots).unwrap());
            let consumer = Consumer::create_split(control.memory, memory, geometry).unwrap();
            receive_from_there::<K, _, _>(consumer, &ticket, &control.ticket.to_string());
        }
        Err(error) => panic!("{error}"),
    }
}

/// Has another process send frames through a ring, whose words are in `control` if that is not `-`.
fn receive_from_there<K: Kind, S: Shared, D: Shared>(
    mut consumer: Consumer<S, D>,
    ticket: &Ticket,
    control: &str,
) {
    const COUNT: u8 = 200;
    let mut other = Other::start();
    let request = format!("send {} {ticket} {control} {COUNT}", K::WORDS.1);
    other.begin(&request);
    for number in 1..=COUNT {
        assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), vec![number; number.into()]);
    }
    assert!(matches!(consumer.receive(), Err(RingError::Closed { side: Side::Producer })));
    assert_eq!(other.answer(&request), Ok(String::new()));
}
