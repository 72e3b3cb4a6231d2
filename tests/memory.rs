//! Every policy against every kind of memory: what is accepted and how, what is refused and with which
//! words, and that nobody else notices. What a client does to memory that it handed over is here, too.

// A test that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use selkie_protocols::ledger::client::selkie_buffer_record_v1::{
    Event as Record, SelkieBufferRecordV1, Verdict,
};
use selkie_protocols::ledger::client::selkie_ledger_manager_v1::SelkieLedgerManagerV1;
use support::raw::{Ended, Raw, memfd};
use support::{Counters, Host, Witness, eventually};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_shm::WlShm;
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Proxy, WEnum};

const POLICIES: [&str; 4] = ["enforce", "adopt", "copy", "guard"];
const SIZE: i32 = 16384;

/// What becomes of a pool.
enum Expect {
    /// Accepted everywhere, and mapped.
    Sealed,
    /// Refused under `enforce` for that reason; `adopt` and `copy` add the seal.
    Adoptable(&'static str),
    /// Refused under `enforce` and `adopt` for that reason; `copy` never maps it.
    Unsealed(String),
    /// Refused everywhere for that reason.
    Unusable(String),
}
use Expect::{Adoptable, Sealed, Unsealed, Unusable};

struct Case {
    name: &'static str,
    /// What the client hands over, or why it cannot be had here.
    memory: Result<OwnedFd, String>,
    /// What it claims, in bytes.
    size: i32,
    /// What the ledger calls it.
    kind: &'static str,
    expect: Expect,
}

fn case(name: &'static str, memory: impl Into<OwnedFd>, kind: &'static str, expect: Expect) -> Case {
    Case { name, memory: Ok(memory.into()), size: SIZE, kind, expect }
}

const NOT_SEALABLE: &str = "memfd without F_SEAL_SHRINK: create it with MFD_ALLOW_SEALING and add \
                            F_SEAL_SHRINK before wl_shm.create_pool";
const SHRINK_MISSING: &str =
    "memfd without F_SEAL_SHRINK: add F_SEAL_SHRINK with fcntl(F_ADD_SEALS) before wl_shm.create_pool";
const TMPFS: &str = "file on tmpfs (/dev/shm, shm_open), which can never be sealed: use memfd_create with \
                     MFD_ALLOW_SEALING and add F_SEAL_SHRINK";
const HUGETLB: &str = "memory of huge pages, whose pages can vanish in spite of F_SEAL_SHRINK (punching a \
                       hole gives them back): create the memfd without MFD_HUGETLB";

fn sealed(seals: SealFlags) -> OwnedFd {
    memfd(SIZE as u64, Some(seals))
}

fn reopened(fd: &OwnedFd, flags: OFlags) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Sets of seals, of which each lacks one of them all. `F_SEAL_EXEC` brings all others with it where the
/// file is executable, so this file is not.
fn each_seal_missing() -> Vec<Case> {
    let all = [
        ("all but F_SEAL_SEAL", SealFlags::SEAL),
        ("all but F_SEAL_SHRINK", SealFlags::SHRINK),
        ("all but F_SEAL_GROW", SealFlags::GROW),
        ("all but F_SEAL_WRITE", SealFlags::WRITE),
        ("all but F_SEAL_FUTURE_WRITE", SealFlags::FUTURE_WRITE),
        ("all but F_SEAL_EXEC", SealFlags::EXEC),
    ];
    let cases = all.into_iter().map(|(name, missing)| {
        let seals = all.iter().fold(SealFlags::empty(), |set, (_, seal)| set | *seal) - missing;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = rustix::fs::memfd_create("seals", flags).and_then(|fd| {
            rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
            rustix::fs::ftruncate(&fd, SIZE as u64)?;
            rustix::fs::fcntl_add_seals(&fd, seals)?;
            Ok(fd)
        });
        let expect = if missing == SealFlags::SHRINK {
            Unsealed(
                "memfd sealed shut (seal+grow+write+future-write+exec) without F_SEAL_SHRINK: add \
                 F_SEAL_SHRINK before or together with F_SEAL_SEAL"
                    .to_owned(),
            )
        } else {
            Sealed
        };
        // F_SEAL_EXEC is there since Linux 6.3.
        Case { name, memory: memory.map_err(|e| e.to_string()), size: SIZE, kind: "memfd", expect }
    });
    cases.collect()
}

fn memfds() -> Vec<Case> {
    let shrink = SealFlags::SHRINK;
    let (open, shut) = (sealed(SealFlags::empty()), sealed(shrink | SealFlags::SEAL));
    let mut cases = each_seal_missing();
    cases.extend([
        case("F_SEAL_SHRINK alone", sealed(shrink), "memfd", Sealed),
        case(
            "F_SEAL_SHRINK, SEAL and GROW",
            sealed(shrink | SealFlags::GROW | SealFlags::SEAL),
            "memfd",
            Sealed,
        ),
        case("write-sealed", sealed(shrink | SealFlags::WRITE), "memfd", Sealed),
        case("future-write-sealed", sealed(shrink | SealFlags::FUTURE_WRITE), "memfd", Sealed),
        case("no MFD_ALLOW_SEALING", memfd(SIZE as u64, None), "memfd", Unsealed(NOT_SEALABLE.into())),
        case("no seal, and still open", sealed(SealFlags::empty()), "memfd", Adoptable(SHRINK_MISSING)),
        case("F_SEAL_GROW alone", sealed(SealFlags::GROW), "memfd", Adoptable(SHRINK_MISSING)),
        case("read-only fd of sealed memory", reopened(&shut, OFlags::RDONLY), "memfd", Sealed),
        case(
            "read-only fd of memory without seals",
            reopened(&open, OFlags::RDONLY),
            "memfd",
            Unsealed(
                "memfd without F_SEAL_SHRINK, passed read-only: add F_SEAL_SHRINK through a writable fd \
                 before wl_shm.create_pool"
                    .into(),
            ),
        ),
        case(
            "write-only fd",
            reopened(&shut, OFlags::WRONLY),
            "memfd",
            Unusable("the fd cannot be read through: open it with O_RDWR or O_RDONLY".into()),
        ),
        case(
            "O_PATH fd",
            reopened(&shut, OFlags::PATH),
            "not a file",
            Unusable(
                "the fd was opened with O_PATH, so nothing can be read through it: open it with O_RDWR"
                    .into(),
            ),
        ),
        case(
            "sealed and a byte too short",
            memfd(SIZE as u64 - 1, Some(shrink)),
            "memfd",
            Unusable(
                "the file has 16383 bytes, fewer than the 16384 claimed: ftruncate it before passing it on"
                    .into(),
            ),
        ),
        case(
            "without seals and empty",
            memfd(0, Some(SealFlags::empty())),
            "memfd",
            Unusable(
                "the file has 0 bytes, fewer than the 16384 claimed: ftruncate it before passing it on"
                    .into(),
            ),
        ),
    ]);
    let most = i32::MAX;
    cases.push(Case {
        size: most,
        ..case("i32::MAX bytes, all there", memfd(most as u64, Some(shrink)), "memfd", Sealed)
    });
    let why =
        "the file has 16384 bytes, fewer than the 2147483647 claimed: ftruncate it before passing it on";
    cases.push(Case {
        size: most,
        ..case("i32::MAX bytes claimed", sealed(shrink), "memfd", Unusable(why.into()))
    });
    cases
}

fn hugetlb() -> Case {
    let name = "sealed hugetlb memfd";
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let memory = rustix::fs::memfd_create("huge", flags).and_then(|fd| {
        // A multiple of every size of huge pages that is in use.
        rustix::fs::ftruncate(&fd, 1 << 30)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK)?;
        Ok(fd)
    });
    let memory = memory.map_err(|e| format!("no hugetlb memfd can be had: {e}"));
    Case { name, memory, size: SIZE, kind: "hugetlb memfd", expect: Unsealed(HUGETLB.into()) }
}

/// The type of the file system that a directory is on, by its mount, as in proc_pid_mountinfo(5).
fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap();
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = table.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        Some((head.split(' ').nth(4)?, tail.split(' ').next()?))
    });
    let above = mounts.filter(|(point, _)| dir.starts_with(point));
    // The last mount on the longest path hides those before it.
    above.max_by_key(|(point, _)| point.len()).unwrap().1.to_owned()
}

fn files() -> Vec<Case> {
    let with_size = |file: File| {
        file.set_len(SIZE as u64).unwrap();
        OwnedFd::from(file)
    };
    let name = format!("/selkie-test-{}", std::process::id());
    let posix = rustix::shm::open(
        &name,
        rustix::shm::OFlags::CREATE | rustix::shm::OFlags::EXCL | rustix::shm::OFlags::RDWR,
        Mode::RUSR | Mode::WUSR,
    )
    .unwrap();
    rustix::shm::unlink(&name).unwrap();
    let posix = with_size(posix.into());

    let disk = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let type_of_disk = file_system(disk);
    let on_disk = || match type_of_disk.as_str() {
        "tmpfs" => ("tmpfs file", Unsealed(TMPFS.into())),
        "btrfs" | "ext2" | "ext3" | "ext4" | "f2fs" => (
            "disk file",
            Unsealed(format!(
                "file on a disk ({type_of_disk}), which can never be sealed: use memfd_create with \
                 MFD_ALLOW_SEALING and add F_SEAL_SHRINK"
            )),
        ),
        // overlay, for one: what is below it cannot be seen.
        other => (
            "remote file",
            Unusable(format!(
                "a file on {other}, which is not known to be local and could stall its readers: pass a memfd"
            )),
        ),
    };
    let (kind, expect) = on_disk();
    let (unnamed_kind, unnamed_expect) = on_disk();
    // Makes an O_TMPFILE where the file system can, and removes the name at once where it cannot.
    let unnamed = |dir: &Path| with_size(tempfile::tempfile_in(dir).unwrap());
    let named = tempfile::NamedTempFile::new_in(disk).unwrap();
    vec![
        case("POSIX shared memory", posix, "tmpfs file", Unsealed(TMPFS.into())),
        case("O_TMPFILE on tmpfs", unnamed(Path::new("/dev/shm")), "tmpfs file", Unsealed(TMPFS.into())),
        case("a file on a disk", with_size(named.reopen().unwrap()), kind, expect),
        case("O_TMPFILE on a disk", unnamed(disk), unnamed_kind, unnamed_expect),
    ]
}

fn no_memory() -> Vec<Case> {
    let (reader, _) = rustix::pipe::pipe().unwrap();
    let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let open = |path: &str| File::open(path).unwrap();
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let unusable = |why: &str| Unusable(why.into());
    vec![
        case("a pipe", reader, "pipe", unusable("a pipe, not memory: pass a memfd")),
        case("a socket", socket, "socket", unusable("a socket, not memory: pass a memfd")),
        case(
            "/dev/zero",
            open("/dev/zero"),
            "character device",
            unusable("a character device, not memory: pass a memfd"),
        ),
        case("a directory", open("/dev/shm"), "directory", unusable("a directory, not memory: pass a memfd")),
        case("an eventfd", event, "not a file", unusable("not memory: pass a memfd")),
    ]
}

fn shm_error(code: u32, message: String) -> Ended {
    Ended::Error { interface: "wl_shm".into(), object: 3, code, message }
}

/// What the compositor's ledger says of a buffer that was accepted.
fn record(raw: &mut Raw, ledger: &SelkieLedgerManagerV1, pool: &WlShmPool) -> Result<String, Ended> {
    let buffer = raw.buffer(pool, 8, 8);
    let record: SelkieBufferRecordV1 = ledger.get_record(&buffer, &raw.qh(), ());
    raw.roundtrip()?;
    let mut words = Vec::new();
    for event in raw.of(&record) {
        match event {
            Record::Memory { kind, .. } => words.push(kind.clone()),
            Record::Verdict { verdict: WEnum::Value(verdict), .. } => {
                words.push(if *verdict == Verdict::Sealed { "sealed" } else { "unsealed" }.to_owned());
            }
            Record::Policy { adopted: 1, .. } => words.push("adopted".to_owned()),
            Record::Guard { guard: WEnum::Value(guard) } => words.push(format!("{guard:?}").to_lowercase()),
            _ => {}
        }
    }
    Ok(words.join(", "))
}

fn verdicts(policy: &str) {
    let host = Host::selkie(&["--policy", policy, "--refresh", "0"]);
    let mut bystander = Witness::new(&host.socket());
    let open = || {
        let mut fds = Counters::fd_targets(host.process.pid());
        // The mount table stays open once the first file that is no memfd has been looked at.
        fds.retain(|fd| !fd.ends_with("/mountinfo"));
        fds
    };
    let before = open();
    let cases = memfds().into_iter().chain([hugetlb()]).chain(files()).chain(no_memory());
    for Case { name, memory, size, kind, expect } in cases {
        let memory = match memory {
            Ok(memory) => memory,
            Err(why) => {
                eprintln!("{name}: left out: {why}");
                continue;
            }
        };
        let mut raw = Raw::connect(&host.socket());
        let shm: WlShm = raw.bind(1);
        let ledger: SelkieLedgerManagerV1 = raw.bind(1);
        let pool = raw.pool(&shm, memory.as_fd(), size);
        let outcome = record(&mut raw, &ledger, &pool);

        let refused = |why: &str| Err(shm_error(2, format!("{why} (policy {policy})")));
        let expected = match (&expect, policy) {
            (Sealed, _) => Ok(format!("{kind}, sealed, armed")),
            (Adoptable(_), "adopt" | "copy") => Ok(format!("{kind}, sealed, adopted, armed")),
            (Adoptable(_), "guard") => Ok(format!("{kind}, unsealed, armed")),
            (Adoptable(why), _) => refused(why),
            (Unsealed(_), "copy") => Ok(format!("{kind}, unsealed, none")),
            // Without a free huge page there is nothing to map.
            (Unsealed(_), "guard") if kind == "hugetlb memfd" && outcome.is_err() => {
                refused("cannot map 16384 bytes")
            }
            (Unsealed(_), "guard") => Ok(format!("{kind}, unsealed, armed")),
            (Unsealed(why) | Unusable(why), _) => refused(why),
        };
        assert_eq!(outcome, expected, "{name} under {policy}");
        drop((raw, shm, ledger, pool));
        bystander.goes_on();
        eventually(&format!("the fds of {name:?} to be closed"), || {
            let now = open();
            if now == before { Ok(()) } else { Err(format!("open are {now:?}, and were {before:?}")) }
        });
    }
}

#[test]
fn every_kind_of_memory_under_enforce() {
    verdicts("enforce");
}

#[test]
fn every_kind_of_memory_under_adopt() {
    verdicts("adopt");
}

#[test]
fn every_kind_of_memory_under_copy() {
    verdicts("copy");
}

#[test]
fn every_kind_of_memory_under_guard() {
    verdicts("guard");
}

#[test]
fn sizes_that_are_none_are_refused_whatever_the_memory() {
    for policy in POLICIES {
        let host = Host::selkie(&["--policy", policy, "--refresh", "0"]);
        let mut bystander = Witness::new(&host.socket());
        for size in [0, -1, i32::MIN] {
            let mut raw = Raw::connect(&host.socket());
            let shm: WlShm = raw.bind(1);
            let _pool = raw.pool(&shm, sealed(SealFlags::SHRINK), size);
            // wl_shm.error.invalid_stride, as libwayland has it.
            let message = format!("a pool of {size} bytes: the size must be at least 1");
            assert_eq!(raw.ended(), shm_error(1, message), "{size} under {policy}");
            bystander.goes_on();
        }
    }
}

#[test]
fn a_pool_only_grows_and_only_as_far_as_its_memory() {
    let pool_error =
        |message: String| Ended::Error { interface: "wl_shm_pool".into(), object: 4, code: 2, message };
    for policy in POLICIES {
        let host = Host::selkie(&["--policy", policy, "--refresh", "0"]);
        let mut bystander = Witness::new(&host.socket());
        // Sealed memory and, where the policy takes it, memory that is not.
        let mut kinds = vec![Some(SealFlags::SHRINK)];
        kinds.extend(["copy", "guard"].contains(&policy).then_some(None));
        for seals in kinds {
            let only_grow =
                |to: i32| format!("a pool of 16384 bytes cannot be resized to {to}: pools only grow");
            let too_short = |to: i32| {
                format!(
                    "cannot resize the pool to {to} bytes: the file has 16384 bytes, fewer than the {to} \
                     claimed: ftruncate it before passing it on"
                )
            };
            let errors = [0, -1, i32::MIN, SIZE - 1].map(|to| (to, only_grow(to)));
            let errors = errors.into_iter().chain([SIZE + 1, i32::MAX].map(|to| (to, too_short(to))));
            for (to, message) in errors {
                let mut raw = Raw::connect(&host.socket());
                let shm: WlShm = raw.bind(1);
                let pool = raw.pool(&shm, memfd(SIZE as u64, seals), SIZE);
                raw.roundtrip().unwrap();
                pool.resize(to);
                assert_eq!(raw.ended(), pool_error(message), "resize to {to} under {policy}");
                bystander.goes_on();
            }
            // And what is allowed works.
            let mut raw = Raw::connect(&host.socket());
            let shm: WlShm = raw.bind(1);
            let memory = memfd(SIZE as u64, seals);
            let pool = raw.pool(&shm, &memory, SIZE);
            pool.resize(SIZE);
            rustix::fs::ftruncate(&memory, 2 * SIZE as u64).unwrap();
            pool.resize(2 * SIZE);
            let _all_of_it = raw.buffer(&pool, 64, 128);
            raw.roundtrip().unwrap();
        }
    }
}

/// A client with a window, memory that it may still change, and a buffer in it.
struct Changer {
    raw: Raw,
    surface: WlSurface,
    buffer: WlBuffer,
    memory: OwnedFd,
}

impl Changer {
    /// Its memory carries these seals (`None`: it can carry none), and is on the screen.
    fn new(socket: &Path, seals: Option<SealFlags>) -> Self {
        let mut raw = Raw::connect(socket);
        let shm: WlShm = raw.bind(1);
        let memory = memfd(SIZE as u64, seals);
        let pool = raw.pool(&shm, &memory, SIZE);
        let buffer = raw.buffer(&pool, 64, 64);
        let surface = raw.window().unwrap().surface;
        let mut changer = Self { raw, surface, buffer, memory };
        changer.show().unwrap();
        changer
    }

    fn show(&mut self) -> Result<(), Ended> {
        self.raw.present(&self.surface, &self.buffer)
    }

    fn punch(&self) {
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.memory, punch, 0, SIZE as u64).unwrap();
    }

    /// The error for memory that went away.
    fn fault(&self) -> Ended {
        Ended::Error {
            interface: "wl_buffer".into(),
            object: self.buffer.id().protocol_id(),
            code: 2,
            message: "the memory behind the buffer was taken away while it was shown (SIGBUS caught): add \
                      F_SEAL_SHRINK before wl_shm.create_pool"
                .into(),
        }
    }
}

#[test]
fn memory_that_is_sealed_or_adopted_cannot_shrink_and_a_hole_in_it_is_harmless() {
    for (policy, seals) in [("enforce", SealFlags::SHRINK), ("adopt", SealFlags::empty())] {
        let host = Host::selkie(&["--policy", policy, "--refresh", "0"]);
        let mut bystander = Witness::new(&host.socket());
        let mut changer = Changer::new(&host.socket(), Some(seals));
        for _ in 0..20 {
            assert_eq!(rustix::fs::ftruncate(&changer.memory, 0), Err(rustix::io::Errno::PERM));
            changer.punch();
            changer.show().unwrap();
            bystander.goes_on();
        }
    }
}

#[test]
fn a_client_that_shrinks_under_guard_is_ended_alone() {
    let host = Host::selkie(&["--policy", "guard", "--refresh", "0"]);
    let mut bystander = Witness::new(&host.socket());
    // To nothing, and to where a part of the picture is still there.
    for left in [0, 4096, SIZE as u64 - 1] {
        let mut changer = Changer::new(&host.socket(), None);
        changer.punch();
        changer.show().unwrap();
        rustix::fs::ftruncate(&changer.memory, left).unwrap();
        if left / 4096 == SIZE as u64 / 4096 - 1 {
            // All of its pages are still there.
            changer.show().unwrap();
        } else {
            assert_eq!(changer.show(), Err(changer.fault()), "{left} bytes left");
        }
        bystander.goes_on();
    }
}

#[test]
fn a_client_that_shrinks_under_copy_harms_nobody() {
    let host = Host::selkie(&["--policy", "copy", "--refresh", "0"]);
    let mut bystander = Witness::new(&host.socket());
    let mut changer = Changer::new(&host.socket(), None);
    for left in [4096, 1, 0, SIZE as u64] {
        rustix::fs::ftruncate(&changer.memory, left).unwrap();
        changer.show().unwrap();
        bystander.goes_on();
    }
}

/// Shrinks and grows from another thread while the compositor reads: the fault comes at any point of a
/// frame.
#[test]
fn shrinking_while_frames_are_drawn_ends_at_most_that_client() {
    for policy in ["copy", "guard"] {
        let host = Host::selkie(&["--policy", policy, "--refresh", "0"]);
        let mut bystander = Witness::new(&host.socket());
        for _ in 0..10 {
            let mut changer = Changer::new(&host.socket(), None);
            let memory = changer.memory.try_clone().unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let shrinker = std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    rustix::fs::ftruncate(&memory, 0).unwrap();
                    rustix::fs::ftruncate(&memory, SIZE as u64).unwrap();
                }
            });
            let outcome = (0..100).try_for_each(|_| changer.show());
            stop.store(true, Ordering::Relaxed);
            shrinker.join().unwrap();
            match policy {
                "guard" => assert!(outcome == Ok(()) || outcome == Err(changer.fault()), "{outcome:?}"),
                _ => assert_eq!(outcome, Ok(())),
            }
            bystander.goes_on();
        }
        let log = host.process.log();
        assert!(!log.contains("bug in selkie"), "{log}");
    }
}
