//! `selkie shm ls` where a mount namespace of the test's own makes the machine what it has to be: with a file system that never
//! answers in `/dev/shm`, and with no process that may not be looked at.
//!
//! Nothing of it is to be seen outside: each test has a process in such a namespace with a `/dev/shm` of its own, and runs selkie there.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use rustix::mount::{MountFlags, mount, mount_bind};
use serde_json::Value;
use shm_core::seals::Seals;
use support::fuse::Fuse;
use support::process::patience;
use support::{eventually, require_programs};

const SELKIE: &str = env!("CARGO_BIN_EXE_selkie");

/// Set in the process that is to make the namespace what it has to be.
const ROLE: &str = "SELKIE_TEST_ROLE";

/// Not a test: a process in a mount namespace of its own, started by those below; it ends when its input does.
#[test]
#[ignore = "started by other tests"]
fn a_holder() {
    let Ok(role) = std::env::var(ROLE) else { return };
    mount("none", "/dev/shm", "tmpfs", MountFlags::empty(), None).unwrap();
    fs::write("/dev/shm/plain", [7; 1000]).unwrap();
    match role.as_str() {
        "silent" => silent(),
        "readable" => readable(),
        _ => panic!("what is {role}?"),
    }
}

/// Says that all is as it has to be, and waits until it is needed no more.
fn stay() {
    println!("READY");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A file and a directory in `/dev/shm` are of a file system that has stopped to answer, and that file is open here.
fn silent() {
    let fuse = match Fuse::mount() {
        Ok(fuse) => fuse,
        Err(why) => return println!("IMPOSSIBLE {why}"),
    };
    File::create("/dev/shm/file").unwrap();
    mount_bind(fuse.dir().join("file"), "/dev/shm/file").unwrap();
    fs::create_dir_all("/dev/shm/a/dir").unwrap();
    mount_bind(fuse.dir(), "/dev/shm/a/dir").unwrap();
    fs::write("/dev/shm/a/plain", [7; 1000]).unwrap();
    let file = File::open("/dev/shm/file").unwrap();
    let memfd = shm_core::memfd::create("beside-the-silent", 4096, Some(Seals::SHRINK)).unwrap();
    fuse.fall_silent();
    stay();
    // Then nobody has to be asked for closing the file.
    drop(fuse);
    drop((file, memfd));
}

/// Whatever process may not be looked at is not in `/proc`.
fn readable() {
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let is_process = path.file_name().unwrap().to_str().unwrap().parse::<u32>().is_ok();
        let refused = |file: &str| {
            File::open(path.join(file))
                .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
        };
        // Of one that has ended meanwhile there is nothing to be hidden.
        if is_process && (refused("maps") || refused("fd")) {
            let _ = mount("none", &path, "tmpfs", MountFlags::empty(), None);
        }
    }
    let _held = File::create("/dev/shm/held").unwrap();
    stay();
}

/// Such a process, and what it still says.
struct Holder(Child, Option<Lines<BufReader<ChildStdout>>>);

impl Holder {
    /// `None` if that cannot be had here, which has been said.
    fn start(role: &str) -> Option<Holder> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "a_holder", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut holder = Holder(child, None);
        while let Some(line) = lines.next().transpose().unwrap() {
            // The test harness begins the line.
            if line.ends_with("READY") {
                holder.1 = Some(lines);
                return Some(holder);
            }
            if let Some((_, why)) = line.split_once("IMPOSSIBLE ") {
                support::impossible(why);
                return None;
            }
        }
        panic!("the holder has failed");
    }

    /// The command, run in the holder's namespace.
    fn ls(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.0.id()));
        command.args(["--", SELKIE, "shm", "ls", "--format", "json"]);
        command
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Not killed: a process that waits for the silent file system cannot be.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Whether this user may do all that.
fn possible() -> bool {
    let works = Command::new("unshare").args(["--mount", "--propagation", "private", "true"]).status();
    let works = works.unwrap().success() && rustix::process::geteuid().is_root();
    if !works {
        support::impossible("only root can mount a /dev/shm of its own");
    }
    works
}

fn json(output: &[u8]) -> Value {
    serde_json::from_slice(output)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(output)))
}

/// The pieces of this `/dev/shm`, by name.
fn named(inventory: &Value) -> BTreeMap<&str, &Value> {
    let all = inventory["pieces"].as_array().unwrap().iter();
    let own = all.filter(|piece| piece["kind"] == "posix" && piece["foreign"] == false);
    own.map(|piece| (piece["name"].as_str().unwrap(), piece)).collect()
}

#[test]
fn a_file_system_that_never_answers_stalls_nothing() {
    require_programs!("unshare", "nsenter", "setpriv");
    if !possible() {
        return;
    }
    let Some(holder) = Holder::start("silent") else { return };
    let mut child = holder.ls().stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let output = std::thread::spawn(move || {
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).unwrap();
        output
    });
    let start = Instant::now();
    let stalled = loop {
        match child.try_wait().unwrap() {
            Some(_) => break false,
            None if start.elapsed() > patience() => break true,
            None => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    };
    let pid = holder.0.id();
    // If it is stalled, this ends that.
    drop(holder);
    let (status, output) = (child.wait().unwrap(), output.join().unwrap());
    assert!(!stalled, "it waited for the file system that never answers");
    assert!(status.success(), "{status}");
    let inventory = json(&output);
    // What is another file system's is no memory; what is beside it is.
    assert_eq!(named(&inventory).into_keys().collect::<Vec<_>>(), ["/a/plain", "/plain"]);
    let memfds = inventory["pieces"].as_array().unwrap().iter();
    let held = memfds.filter(|piece| piece["name"] == "beside-the-silent").collect::<Vec<_>>();
    assert_eq!(held.len(), 1, "{held:#?}");
    assert_eq!(held[0]["holders"][0]["pid"], pid);
}

#[test]
fn an_orphan_is_certain_where_every_process_can_be_looked_at() {
    require_programs!("unshare", "nsenter");
    if !possible() {
        return;
    }
    let Some(holder) = Holder::start("readable") else { return };
    let inventory = eventually("a moment without processes of other users", || {
        let inventory = json(&holder.ls().output().unwrap().stdout);
        // Other tests make some, and these end.
        if inventory["unreadable"] == 0 { Ok(inventory) } else { Err(format!("{}", inventory["unreadable"])) }
    });
    if inventory["hidden"] == true {
        return support::impossible("this is a PID namespace of its own");
    }
    let orphan = |piece: &Value| {
        (piece["orphan"].as_str().unwrap().to_owned(), piece["holders"].as_array().unwrap().len())
    };
    let found: Vec<_> = named(&inventory).into_iter().map(|(name, piece)| (name, orphan(piece))).collect();
    assert_eq!(found, [("/held", ("no".to_owned(), 1)), ("/plain", ("yes".to_owned(), 0))]);
}
