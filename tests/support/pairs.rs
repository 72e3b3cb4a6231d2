//! `selkie shm`'s pairs as processes: with names of their own, and what they said without what is different each time.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use shm_core::sysv::{Key, Segment};

use super::process::{Process, RuntimeDir, eventually};

const SELKIE: &str = env!("CARGO_BIN_EXE_selkie");

/// A directory for sockets and logs, and names that nobody else has.
pub struct Stand {
    pub dir: RuntimeDir,
    pub key: String,
    pub name: String,
    pub socket: String,
}

/// What a side said, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub status: i32,
    pub text: String,
}

/// For comparing.
pub fn said(status: i32, text: &str) -> Said {
    Said { status, text: text.to_owned() }
}

impl Stand {
    /// `number` is the test's own: tests of one program may run at the same time.
    pub fn new(number: u32) -> Stand {
        let dir = RuntimeDir::new();
        let own = std::process::id() << 4 | number;
        let socket = dir.file("socket").to_str().unwrap().to_owned();
        Stand { key: format!("0x{:08x}", own | 1 << 30), name: format!("/selkie-pairs-{own}"), socket, dir }
    }

    /// Its words, with KEY, NAME and SOCKET for what is this stand's own.
    pub fn words(&self, line: &str) -> Vec<String> {
        let word = |word: &str| match word {
            "KEY" => self.key.clone(),
            "NAME" => self.name.clone(),
            "SOCKET" => self.socket.clone(),
            other => other.to_owned(),
        };
        line.split(' ').map(word).collect()
    }

    /// One side; `line` is what follows `selkie shm`.
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.dir.command(SELKIE);
        command.arg("shm").args(self.words(line));
        command
    }

    /// How many pieces of memory with this stand's key or name `selkie shm ls` takes for left over. (Where a process may not be
    /// looked at, it says "perhaps".)
    pub fn orphans(&self) -> u32 {
        let output = self.command("ls --format json").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let inventory: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let ours = |piece: &&serde_json::Value| piece["name"] == *self.key || piece["name"] == *self.name;
        let pieces = inventory["pieces"].as_array().unwrap().iter().filter(ours);
        pieces.map(|piece| u32::from(piece["orphan"] != "no")).sum()
    }

    /// Starts one that stays until another comes, and waits until it is ready for that.
    pub fn start(&self, line: &str) -> Process {
        let mut process = self.dir.spawn("side", self.command(line));
        eventually("the first side to be ready", || match process.log() {
            log if log.contains("while it lives") => Ok(()),
            log => {
                process.assert_alive();
                Err(log)
            }
        });
        process
    }

    /// Runs one to its end.
    pub fn run(&self, line: &str) -> Said {
        self.end(self.dir.spawn("side", self.command(line)))
    }

    /// Waits for its end.
    pub fn end(&self, mut process: Process) -> Said {
        let status = process.wait();
        let status = status.code().unwrap_or_else(|| -status.signal().unwrap());
        Said { status, text: self.anonymous(&process.log()) }
    }

    /// What is different each time, replaced: this stand's names, addresses, and the numbers of the machine's memory.
    pub fn anonymous(&self, text: &str) -> String {
        let text =
            text.replace(&self.key, "KEY").replace(&self.name, "/NAME").replace(&self.socket, "SOCKET");
        let lines = text.lines().map(|line| {
            for row in ["before", "while it lives", "after"] {
                let rest = line.strip_prefix(row);
                if rest.is_some_and(|rest| rest.starts_with(' ') && rest.split_whitespace().count() == 4) {
                    return row.to_owned();
                }
            }
            addresses(&events(line))
        });
        // How many times it is read depends on how fast the other side is.
        let mut lines: Vec<String> = lines.collect();
        lines.dedup_by(|line, before| line == before && line.ends_with(" = EVENTS"));
        lines.into_iter().map(|line| line + "\n").collect()
    }

    /// The segment, if there is one.
    pub fn segment(&self) -> Option<Segment> {
        Segment::open(self.key.parse::<Key>().unwrap(), 0).ok()
    }

    /// Where the POSIX object would be.
    pub fn object(&self) -> PathBuf {
        Path::new("/dev/shm").join(self.name.trim_start_matches('/'))
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // What a failed test has left.
        if let Some(segment) = self.segment() {
            let _ = segment.remove();
        }
        let _ = std::fs::remove_file(self.object());
    }
}

/// What inotify is asked for and tells becomes EVENTS.
fn events(line: &str) -> String {
    let call = line.trim_start();
    match line.rsplit_once(" = ") {
        Some((read, told)) if call.starts_with("read(") && told.starts_with("IN_") => {
            format!("{read} = EVENTS")
        }
        _ if call.starts_with("inotify_add_watch(") => {
            let (start, end) = line.rsplit_once(", ").unwrap();
            format!("{start}, EVENTS) = {}", end.rsplit(" = ").next().unwrap())
        }
        _ => line.to_owned(),
    }
}

/// Every hexadecimal number that is too long for a key becomes ADDRESS.
fn addresses(line: &str) -> String {
    let mut parts = line.split("0x");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
        match digits {
            9.. => text.push_str(&format!("ADDRESS{}", &part[digits..])),
            _ => text.push_str(&format!("0x{part}")),
        }
    }
    text
}

/// What is behind the first ` = ` of the line that begins so.
#[track_caller]
pub fn result<'a>(text: &'a str, call: &str) -> &'a str {
    let line =
        text.lines().find(|line| line.trim_start().starts_with(call)).unwrap_or_else(|| panic!("{text}"));
    line.split(" = ").last().unwrap()
}

/// The table, once the memory is there, without its numbers.
pub const HEAD: &str =
    "free -w, in KiB         used      shared     buffers       cache\nbefore\nwhile it lives\n";
