//! `selkie shm ls` against what the system's own tools say, and against memory that is known because it was made here.
//!
//! Other tests make shared memory at the same time, so each looks only at its own.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::fs::Mode;
use rustix::process::Signal;
use rustix::shm;
use serde_json::Value;
use shm_core::mapping::{Guarded, Mapping};
use shm_core::seals::Seals;
use shm_core::sysv::{Create, Key, Segment};
use support::{Process, RuntimeDir, eventually, require_devices, require_programs};

const SELKIE: &str = env!("CARGO_BIN_EXE_selkie");

const MIB: u64 = 1 << 20;

/// What a holder is to do: `fd`, `mapping` or `both` with a file, `posix` to make an object, `sysv` to attach the
/// segment with an id.
const ROLE: &str = "SELKIE_TEST_ROLE";
const TARGET: &str = "SELKIE_TEST_TARGET";

/// Not a test: a process that holds memory until it is killed, started by those below.
#[test]
#[ignore = "started by other tests"]
fn a_holder() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let target = std::env::var(TARGET).unwrap();
    if role == "sysv" {
        let _attached = Segment::from_id(target.parse().unwrap()).attach().unwrap();
        println!("READY");
        loop {
            std::thread::park();
        }
    }
    let file = match role.as_str() {
        "posix" => {
            File::from(shm::open(target, shm::OFlags::CREATE | shm::OFlags::RDWR, Mode::RUSR).unwrap())
        }
        _ => File::open(target).unwrap(),
    };
    let map = || Mapping::<Guarded>::new(file.as_fd(), MIB).unwrap();
    let mapping = (role == "mapping" || role == "both").then(map);
    let file = (role != "mapping").then_some(file);
    println!("READY");
    loop {
        std::thread::park();
        std::hint::black_box((&mapping, &file));
    }
}

/// A process that holds something.
struct Holder(Child);

impl Holder {
    fn start(role: &str, target: &str) -> Holder {
        Holder::start_under(&[], role, target)
    }

    /// Started by another program, as which it must go on.
    fn start_under(wrapper: &[&str], role: &str, target: &str) -> Holder {
        let own = std::env::current_exe().unwrap();
        let mut command = match wrapper {
            [] => Command::new(own),
            [name, arguments @ ..] => {
                let mut command = Command::new(name);
                command.args(arguments).arg(own);
                command
            }
        };
        command.args(["--ignored", "--exact", "a_holder", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(TARGET, target).stdin(Stdio::null()).stdout(Stdio::piped());
        shm_core::process::die_with_parent(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The test harness begins the line.
        assert!(lines.any(|line| line.unwrap().ends_with("READY")), "the holder has failed");
        Holder(child)
    }

    fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ls() -> Command {
    let mut command = Command::new(SELKIE);
    command.args(["shm", "ls"]);
    command
}

fn json(output: Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn inventory() -> Value {
    json(ls().args(["--format", "json"]).output().unwrap())
}

/// The pieces of a kind for which something holds.
fn pieces<'a>(inventory: &'a Value, kind: &str, wanted: impl Fn(&Value) -> bool) -> Vec<&'a Value> {
    let all = inventory["pieces"].as_array().unwrap().iter();
    all.filter(|piece| piece["kind"] == kind && wanted(piece)).collect()
}

fn one<'a>(inventory: &'a Value, kind: &str, number: u64) -> &'a Value {
    let found = pieces(inventory, kind, |piece| piece["number"] == number);
    assert_eq!(found.len(), 1, "{kind} {number}: {found:#?}");
    found[0]
}

fn inode(fd: impl AsFd) -> u64 {
    rustix::fs::fstat(fd).unwrap().st_ino
}

/// Pids, numbers of fds and numbers of mappings of those who hold a piece.
fn holders(piece: &Value) -> Vec<(u64, usize, usize)> {
    let count = |holder: &Value, what: &str| holder[what].as_array().unwrap().len();
    let all = piece["holders"].as_array().unwrap().iter();
    all.map(|h| (h["pid"].as_u64().unwrap(), count(h, "fds"), count(h, "mappings"))).collect()
}

/// How certain an orphan is here: only if every process can be seen.
fn certainty(inventory: &Value) -> &'static str {
    if inventory["unreadable"] == 0 && inventory["hidden"] == false { "yes" } else { "perhaps" }
}

/// A name in `/dev/shm` of our own, removed in the end.
struct Name(String);

impl Name {
    fn new(what: &str) -> Name {
        Name(format!("/selkie-ls-{}-{what}", std::process::id()))
    }

    fn path(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.0[1..])
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let path = self.path();
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

fn memfd(name: &str, size: u64, seals: Option<Seals>) -> OwnedFd {
    shm_core::memfd::create(name, size, seals).unwrap()
}

#[test]
fn a_memfd_that_three_processes_share_is_one_row_with_three_holders() {
    let memory = memfd("three-holders", MIB, Some(Seals::SHRINK));
    rustix::io::pwrite(&memory, &[1; 8192], 0).unwrap();
    let number = inode(&memory);
    let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
    let three = ["fd", "mapping", "both"].map(|role| Holder::start(role, &path));
    drop(memory);
    let inventory = inventory();
    let piece = one(&inventory, "memfd", number);
    let mut expected = vec![(three[0].pid(), 1, 0), (three[1].pid(), 0, 1), (three[2].pid(), 1, 1)];
    expected.sort_unstable();
    assert_eq!(holders(piece), expected);
    assert_eq!(piece["name"], "three-holders");
    assert_eq!(piece["size"], MIB);
    assert_eq!(piece["resident"], 8192);
    assert_eq!(piece["orphan"], "no");
    assert_eq!(piece["owner"]["uid"], rustix::process::geteuid().as_raw());
    let own = std::env::current_exe().unwrap();
    for holder in piece["holders"].as_array().unwrap() {
        assert_eq!(holder["program"], own.file_name().unwrap().to_str().unwrap());
        for mapping in holder["mappings"].as_array().unwrap() {
            assert_eq!(mapping["size"], MIB);
            assert_eq!(mapping["access"], "r--s");
        }
    }
    drop(three);
    assert_eq!(pieces(&self::inventory(), "memfd", |piece| piece["number"] == number), [&Value::Null; 0]);
}

#[test]
fn memory_that_is_only_mapped_is_as_well_known_where_its_mapping_may_be_followed() {
    let memory = memfd("only-mapped", MIB, Some(Seals::SHRINK | Seals::GROW));
    let number = inode(&memory);
    let holder = Holder::start("mapping", &format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd()));
    drop(memory);
    let inventory = inventory();
    let piece = one(&inventory, "memfd", number);
    assert_eq!(holders(piece), [(holder.pid(), 0, 1)]);
    assert_eq!(piece["name"], "only-mapped");
    if rustix::process::geteuid().is_root() {
        assert_eq!((&piece["size"], &piece["resident"]), (&Value::from(MIB), &Value::from(0)));
        assert!(piece["seals"].as_str().unwrap().starts_with("shrink+grow"), "{piece}");
    }
}

#[test]
fn seals_are_those_of_the_memory() {
    let all = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE;
    let sets =
        [Some(Seals::empty()), Some(Seals::SHRINK), Some(Seals::FUTURE_WRITE | Seals::SEAL), Some(all), None];
    let made: Vec<OwnedFd> = sets.iter().map(|seals| memfd("sealed", 4096, *seals)).collect();
    let inventory = inventory();
    for memory in &made {
        let piece = one(&inventory, "memfd", inode(memory));
        assert_eq!(piece["seals"], Seals::of(memory).unwrap().to_string());
    }
    let shown: BTreeSet<_> =
        made.iter().map(|m| one(&inventory, "memfd", inode(m))["seals"].to_string()).collect();
    assert_eq!(shown.len(), made.len(), "{shown:?}");
}

#[test]
fn memfds_of_huge_pages_are_memfds() {
    let memory = match shm_core::memfd::create("huge", 0, None) {
        Ok(_) => rustix::fs::memfd_create(
            "selkie-huge",
            rustix::fs::MemfdFlags::HUGETLB | rustix::fs::MemfdFlags::CLOEXEC,
        ),
        Err(error) => panic!("{error}"),
    };
    let Ok(memory) = memory else { return support::impossible("this kernel has no huge pages") };
    let page = rustix::fs::fstat(&memory).unwrap().st_blksize;
    let inventory = inventory();
    let piece = one(&inventory, "memfd", inode(&memory));
    assert_eq!((&piece["name"], &piece["huge_page"]), (&Value::from("selkie-huge"), &Value::from(page)));
    assert_eq!(piece["seals"], Seals::of(&memory).unwrap().to_string());
}

#[test]
fn every_file_in_dev_shm_is_listed() {
    let dir = Name::new("dir");
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let plain = Name::new("plain");
    let semaphore = Name(format!("/sem.selkie-ls-{}", std::process::id()));
    let odd = Name::new("odd name\n\u{1b}[31m (deleted)");
    let paths =
        [plain.path(), semaphore.path(), odd.path(), dir.path().join("one"), dir.path().join("a/b/two")];
    for (n, path) in (1..).zip(&paths) {
        fs::write(path, vec![7; n * 1000]).unwrap();
    }
    fs::hard_link(plain.path(), dir.path().join("hard link")).unwrap();
    // What is no memory of its own.
    std::os::unix::fs::symlink(plain.path(), dir.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();

    let found = Command::new("find").arg("/dev/shm").args(["-type", "f", "-print0"]).output().unwrap().stdout;
    let mark = format!("selkie-ls-{}", std::process::id());
    let expected: BTreeSet<String> = found
        .split(|byte| *byte == 0)
        .map(|path| String::from_utf8_lossy(path).replacen("/dev/shm", "", 1))
        .filter(|path| path.contains(&mark))
        .collect();
    assert_eq!(expected.len(), 6);

    let inventory = inventory();
    let own = pieces(&inventory, "posix", |piece| piece["name"].as_str().unwrap_or("").contains(&mark));
    assert_eq!(own.len(), 5, "the hard link is the same memory");
    let strings = |value: &Value| -> Vec<String> {
        let all = value.as_array().cloned().unwrap_or_default();
        all.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let listed: BTreeSet<String> = own
        .iter()
        .flat_map(|piece| {
            strings(&piece["other_names"]).into_iter().chain([piece["name"].as_str().unwrap().to_owned()])
        })
        .collect();
    assert_eq!(listed, expected);
    for path in &paths {
        let stat = fs::metadata(path).unwrap();
        let piece = one(&inventory, "posix", stat.ino());
        assert_eq!(piece["size"], stat.size());
        assert_eq!(piece["resident"], stat.blocks() * 512);
        assert_eq!(piece["removed"], false);
        assert_eq!(piece["orphan"], certainty(&inventory));
    }
    // And a name cannot speak to the terminal.
    let table = ls().output().unwrap().stdout;
    assert!(!table.contains(&0x1b), "{}", String::from_utf8_lossy(&table));
    assert!(String::from_utf8(table).unwrap().contains(r"odd name\n\u{1b}[31m (deleted)"));
}

#[test]
fn a_posix_object_is_an_orphan_once_its_holder_is_killed() {
    let name = Name::new("orphan");
    let holder = Holder::start("posix", &name.0);
    let number = fs::metadata(name.path()).unwrap().ino();
    let held = inventory();
    let piece = one(&held, "posix", number);
    assert_eq!((&piece["name"], &piece["orphan"]), (&Value::from(name.0.as_str()), &Value::from("no")));
    assert_eq!(holders(piece), [(holder.pid(), 1, 0)]);

    drop(holder);
    let left = inventory();
    let piece = one(&left, "posix", number);
    assert_eq!(piece["orphan"], certainty(&left));
    assert_eq!(holders(piece), []);
    let table = String::from_utf8(ls().output().unwrap().stdout).unwrap();
    let row = table.lines().find(|line| line.contains(&name.0)).unwrap();
    assert!(row.contains("nobody"), "{row}");
    assert!(
        table.lines().any(|line| line.trim_start().starts_with(&format!("rm /dev/shm{}", name.0))),
        "{table}"
    );

    shm::unlink(&name.0).unwrap();
    assert_eq!(pieces(&inventory(), "posix", |piece| piece["number"] == number), [&Value::Null; 0]);
}

#[test]
fn a_posix_object_without_a_name_lives_with_its_holder() {
    let name = Name::new("nameless");
    let holder = Holder::start("posix", &name.0);
    let number = fs::metadata(name.path()).unwrap().ino();
    shm::unlink(&name.0).unwrap();
    let inventory = inventory();
    let piece = one(&inventory, "posix", number);
    assert_eq!((&piece["removed"], &piece["orphan"]), (&Value::from(true), &Value::from("no")));
    assert_eq!(piece["name"], name.0.as_str(), "what it was called");
    assert_eq!(holders(piece), [(holder.pid(), 1, 0)]);
}

/// A key of our own: others draw theirs from other numbers.
fn key(n: i32) -> Key {
    Key::new(0x6c73_0000 ^ (i32::try_from(std::process::id()).unwrap() << 4) ^ n)
}

/// What `ipcs -m` says about a segment: key, id, owner, permissions, bytes, how often it is attached, and more.
fn ipcs(id: u64) -> Option<Vec<String>> {
    let text = String::from_utf8(Command::new("ipcs").arg("-m").output().unwrap().stdout).unwrap();
    let rows = text.lines().map(|line| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>());
    rows.into_iter().find(|row| row.get(1).is_some_and(|shown| *shown == id.to_string()))
}

#[test]
fn segments_are_as_ipcs_says() {
    require_programs!("ipcs");
    let made: Vec<_> = [(key(1), 5000), (key(2), MIB), (Key::PRIVATE, 1)]
        .map(|(key, size)| Segment::create(key, &Create::new(size)).unwrap().remove_on_drop())
        .into();
    let attachments = [made[1].attach().unwrap(), made[1].attach().unwrap(), made[2].attach().unwrap()];
    // It is removed, and lives as long as it is attached.
    Segment::from_id(made[2].id()).remove().unwrap();
    let inventory = inventory();
    for segment in &made {
        let id = u64::try_from(segment.id()).unwrap();
        let piece = one(&inventory, "sysv", id);
        let row = ipcs(id).unwrap();
        let text = |field: &str| piece[field].as_str().unwrap().to_owned();
        let user = piece["owner"]["user"].as_str().unwrap();
        let (size, attached) = (piece["size"].to_string(), piece["attached"].to_string());
        let mode = text("mode").trim_start_matches('0').to_owned();
        assert_eq!(row[..6], [text("name"), id.to_string(), user.to_owned(), mode, size, attached]);
        assert_eq!(row.get(6).is_some_and(|status| status == "dest"), piece["removed"] == true);
    }
    let own = u64::from(std::process::id());
    let found = made.iter().map(|segment| {
        let piece = one(&inventory, "sysv", u64::try_from(segment.id()).unwrap());
        assert_eq!(piece["creator"], own);
        (holders(piece), piece["orphan"].as_str().unwrap())
    });
    let expected = [(vec![], "yes"), (vec![(own, 0, 2)], "no"), (vec![(own, 0, 1)], "no")];
    assert!(found.eq(expected), "{inventory:#}");
    drop(attachments);
    // Nobody is attached to the second now, and the third is gone.
    let after = self::inventory();
    assert_eq!(one(&after, "sysv", u64::try_from(made[1].id()).unwrap())["orphan"], "yes");
    assert_eq!(pieces(&after, "sysv", |piece| piece["number"] == made[2].id()), [&Value::Null; 0]);
}

#[test]
fn a_segment_is_an_orphan_once_its_last_holder_is_killed() {
    let segment = Segment::create(key(3), &Create::new(MIB)).unwrap().remove_on_drop();
    let id = u64::try_from(segment.id()).unwrap();
    let holders_of_it = ["sysv", "sysv"].map(|role| Holder::start(role, &segment.id().to_string()));
    let held = inventory();
    let piece = one(&held, "sysv", id);
    let mut expected: Vec<_> = holders_of_it.iter().map(|holder| (holder.pid(), 0, 1)).collect();
    expected.sort_unstable();
    assert_eq!((holders(piece), &piece["orphan"]), (expected, &Value::from("no")));
    drop(holders_of_it);
    let left = inventory();
    let piece = one(&left, "sysv", id);
    assert_eq!((holders(piece), &piece["orphan"]), (vec![], &Value::from("yes")));
    let table = String::from_utf8(ls().output().unwrap().stdout).unwrap();
    assert!(table.lines().any(|line| line.trim() == format!("ipcrm -m {id}")), "{table}");
    segment.remove().unwrap();
    assert_eq!(pieces(&inventory(), "sysv", |piece| piece["number"] == id), [&Value::Null; 0]);
}

#[test]
fn a_segment_of_another_ipc_namespace_is_another_segment() {
    require_programs!("unshare", "ipcmk");
    let works = Command::new("unshare").args(["--ipc", "true"]).output().unwrap();
    if !works.status.success() {
        return support::impossible("this user may make no IPC namespace");
    }
    // Ids begin at 0 in each, so that this may well be the number of one of ours, too.
    let starter = format!("id=$(ipcmk -M 12345 | tr -dc 0-9); export {TARGET}=$id; exec \"$@\"");
    let holder = Holder::start_under(&["unshare", "--ipc", "sh", "-c", &starter, "sh"], "sysv", "");
    let inventory = inventory();
    let theirs =
        pieces(&inventory, "sysv", |piece| holders(piece).iter().any(|(pid, ..)| *pid == holder.pid()));
    assert_eq!(theirs.len(), 1, "{theirs:#?}");
    assert_eq!((&theirs[0]["foreign"], &theirs[0]["orphan"]), (&Value::from(true), &Value::from("no")));
    assert!(theirs[0]["namespace"].is_u64());
    if rustix::process::geteuid().is_root() {
        assert_eq!(theirs[0]["size"], 12345);
    }
}

/// The command, run by nobody: a user who may not look at the processes of ours.
fn by_nobody(arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).args(arguments);
    command
}

#[test]
fn processes_of_others_are_counted_and_make_orphans_uncertain() {
    if !rustix::process::geteuid().is_root() {
        return support::impossible("only root can become somebody else");
    }
    let name = Name::new("of-root");
    let theirs = Holder::start("posix", &name.0);
    let memory = memfd("of-nobody", MIB, Some(Seals::SHRINK));
    rustix::fs::fchown(&memory, Some(rustix::fs::Uid::from_raw(65534)), None).unwrap();
    let hidden = memfd("of-root", MIB, None);
    let inode_of = inode(&memory);
    let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
    // It opens the memory while it may, and becomes nobody by what starts it.
    let inherited = {
        let mut command = by_nobody(&["sleep", "infinity"]);
        command.stdin(memory.try_clone().unwrap());
        let mut process = command.spawn().unwrap();
        let ready = || {
            let status = fs::read_to_string(format!("/proc/{}/comm", process.id())).unwrap();
            (status.trim() == "sleep").then_some(()).ok_or(status)
        };
        eventually("setpriv to start its program", ready);
        let pid = u64::from(process.id());
        let output = by_nobody(&[SELKIE, "shm", "ls", "--format", "json"]).output();
        process.kill().unwrap();
        process.wait().unwrap();
        (pid, json(output.unwrap()))
    };
    let (pid, inventory) = inherited;
    assert!(inventory["unreadable"].as_u64().unwrap() > 0, "{inventory}");
    // What nobody's own process holds is seen, with its seals; but not that we hold it, too.
    let piece = one(&inventory, "memfd", inode_of);
    assert_eq!(holders(piece), [(pid, 1, 0)]);
    assert_eq!(piece["owner"]["uid"], 65534);
    assert!(piece["seals"].as_str().unwrap().starts_with("shrink"), "{piece}");
    assert_eq!(pieces(&inventory, "memfd", |piece| piece["number"] == inode(&hidden)), [&Value::Null; 0]);
    // It is held, and by its name alone nobody can know.
    let piece = one(&inventory, "posix", fs::metadata(name.path()).unwrap().ino());
    assert_eq!((&piece["orphan"], holders(piece).len()), (&Value::from("perhaps"), 0));
    drop((theirs, path));
}

#[test]
fn the_count_of_unreadable_processes_is_exact() {
    require_programs!("unshare", "setpriv");
    let alone = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let works = Command::new("unshare").args(alone).arg("true").output().unwrap();
    if !rustix::process::geteuid().is_root() || !works.status.success() {
        return support::impossible("this user may make no PID namespace");
    }
    // There: the shell and two sleepers, all root's, and a dead process that holds nothing.
    let script = "sleep 1000 & sleep 1000 & true & \"$@\"; exit $?";
    let mut command = Command::new("unshare");
    command.args(alone).args(["sh", "-c", script, "sh"]);
    command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    let inventory = json(command.args([SELKIE, "shm", "ls", "--format", "json"]).output().unwrap());
    assert_eq!(inventory["unreadable"], 3);
    // And it says that it need not have seen all.
    assert_eq!(inventory["hidden"], true);
}

#[test]
fn watching_tells_what_comes_and_goes() {
    let dir = RuntimeDir::new();
    let name = Name::new("watched");
    let log = dir.file("changes");
    let mut command = dir.command("sh");
    // Into a file, which can be read as often as one likes.
    let line = format!("exec \"$0\" shm ls --watch --interval 0.1 --format json > {}", log.display());
    command.args(["-c", &line, SELKIE]);
    let mut watching = Process::spawn("selkie", command, log.parent().unwrap());
    let events = || -> Vec<String> {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let changes = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let own = changes.filter(|change| change["piece"]["name"] == name.0.as_str());
        own.map(|change| change["event"].as_str().unwrap().to_owned()).collect()
    };
    let wait = |expected: &[&str]| {
        eventually("the changes", || {
            let events = events();
            if events == expected { Ok(()) } else { Err(format!("{events:?}")) }
        });
    };
    let marker = memfd("selkie-ls-marker", 4096, None);
    let mark = inode(&marker).to_string();
    eventually("the first look", || {
        fs::read_to_string(&log).unwrap_or_default().contains(&mark).then_some(()).ok_or("nothing yet".into())
    });
    let holder = Holder::start("posix", &name.0);
    wait(&["appeared"]);
    drop(holder);
    wait(&["appeared", "orphaned"]);
    let again = File::open(name.path()).unwrap();
    wait(&["appeared", "orphaned", "held"]);
    drop(again);
    wait(&["appeared", "orphaned", "held", "orphaned"]);
    shm::unlink(&name.0).unwrap();
    wait(&["appeared", "orphaned", "held", "orphaned", "vanished"]);
    watching.signal(Signal::INT);
    assert_eq!(watching.wait().code(), Some(0), "{}", watching.log());
}

#[test]
fn watching_ends_when_nobody_reads_it() {
    let mut watching = ls().args(["--watch", "--interval", "0.1"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(watching.stdout.take());
    let status = eventually("selkie to end", || watching.try_wait().unwrap().ok_or("it watches".to_owned()));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn watching_draws_the_table_anew_on_a_terminal() {
    require_programs!("script");
    let dir = RuntimeDir::new();
    let mut command = dir.command("script");
    let run = format!("{SELKIE} shm ls --watch --interval 0.1");
    command.args(["--quiet", "--flush", "--return", "--command", &run, "/dev/null"]);
    let mut watching = Process::spawn("script", command, dir.path());
    let tables = || watching.log().matches("\x1b[H\x1b[2J").count();
    eventually("the third table", || (tables() >= 3).then_some(()).ok_or(tables().to_string()));
    assert!(watching.log().contains("held by"));
    watching.terminate();
}

#[test]
fn dmabufs_are_listed_with_their_exporter_and_holders() {
    require_devices!("/dev/udmabuf", "/dev/dma_heap/system");
    let made =
        [(support::dmabuf::udmabuf(&[1; 4096]), "udmabuf"), (support::dmabuf::heap(&[1; 8192]), "system")];
    let own = u64::from(std::process::id());
    for (dmabuf, exporter) in &made {
        let number = inode(dmabuf.fd());
        let size = rustix::fs::seek(dmabuf.fd(), rustix::fs::SeekFrom::End(0)).unwrap();
        let inventory = inventory();
        let piece = one(&inventory, "dmabuf", number);
        assert_eq!(holders(piece), [(own, 1, 0)]);
        assert_eq!((&piece["size"], &piece["resident"]), (&Value::from(size), &Value::from(size)));
        assert!(piece["exporter"].as_str().unwrap().contains(exporter), "{piece}");
        assert_eq!((&piece["seals"], &piece["orphan"]), (&Value::Null, &Value::from("no")));
        // Another process, which has it as its standard input; and a mapping of ours.
        let mapping = dmabuf.map_mut().unwrap();
        let theirs = dmabuf.fd().try_clone_to_owned().unwrap();
        // The command, which has that fd as well, ends with the statement.
        let mut other = Command::new("sleep").arg("infinity").stdin(theirs).spawn().unwrap();
        let inventory = self::inventory();
        let mut expected = [(own, 1, 1), (u64::from(other.id()), 1, 0)];
        expected.sort_unstable();
        let found = holders(one(&inventory, "dmabuf", number));
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(found, expected);
        drop(mapping);
    }
}

#[test]
fn bad_intervals_are_wrong_usage() {
    for arguments in
        [&["--interval", "1"][..], &["--watch", "--interval", "0"], &["--watch", "--interval", "x"]]
    {
        assert_eq!(ls().args(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
}
